/** Each is encoded at the next quality; the overlay's own is not written in a JPEG. */
const QUALITIES = [70, 60, 50, 40];

/** Below the estimate: what a JPEG takes does not fall quite as its pixels do. */
const MARGIN = 0.9;

/**
 * The same JPEG in at most `limit` bytes, smaller in the same proportions and at a lower quality; undefined when four
 * attempts do not get there, or it is no JPEG. Works off the event loop.
 */
export async function shrinkJpeg(body: Uint8Array, limit: number): Promise<Uint8Array | undefined> {
  if (limit <= 0) return undefined;
  const { default: sharp } = await import("sharp");
  try {
    const { width, height } = await sharp(body).metadata();
    let factor = 1;
    let bytes = body.byteLength;
    for (const quality of QUALITIES) {
      factor *= Math.min(1, Math.sqrt(limit / bytes)) * MARGIN;
      const [w, h] = [width, height].map((extent) => Math.max(1, Math.round(extent * factor)));
      const smaller = await sharp(body).resize(w, h, { fit: "fill" }).jpeg({ quality }).toBuffer();
      if (smaller.byteLength <= limit) return smaller;
      bytes = smaller.byteLength;
    }
  } catch {
    // No picture: who sends it says that it is too large.
  }
  return undefined;
}
