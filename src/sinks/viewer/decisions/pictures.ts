import type { DecisionPictures } from "./store.js";

const LIMITS = {
  /** Longer side, in pixels, of the large pictures. */
  side: 1280,
  /** Height of a thumbnail; no wider than twice that. */
  thumbnail: 120,
  quality: 80,
  /** What is decoded at most: topics may hold pictures of anybody. */
  pixels: 64_000_000,
};

export interface Published {
  original?: Uint8Array;
  overlay?: Uint8Array;
  heatmap?: Uint8Array;
}

/**
 * What is kept of a frame's pictures: a thumbnail of what shows most (overlay, original, heatmap); the original, or
 * without one the overlay, no larger than 1280 pixels a side; and the heatmap as it is. Works off the event loop; rejects
 * when one is no picture.
 */
export async function picturesOf({ original, overlay, heatmap }: Published): Promise<DecisionPictures> {
  const { default: sharp } = await import("sharp");
  const open = (picture: Uint8Array) => sharp(picture, { limitInputPixels: LIMITS.pixels });
  const large = async (picture: Uint8Array): Promise<Uint8Array> => {
    const { width, height } = await open(picture).metadata();
    if (Math.max(width, height) <= LIMITS.side) return picture;
    const box = { width: LIMITS.side, height: LIMITS.side, fit: "inside" as const };
    return open(picture).resize(box).jpeg({ quality: LIMITS.quality }).toBuffer();
  };
  const shown = overlay ?? original ?? heatmap;
  const pictures: DecisionPictures = {};
  if (shown) {
    const box = { width: 2 * LIMITS.thumbnail, height: LIMITS.thumbnail, fit: "inside" as const };
    pictures["thumbnail.jpg"] = await open(shown).resize(box).jpeg({ quality: LIMITS.quality }).toBuffer();
  }
  if (original) pictures["original.jpg"] = await large(original);
  else if (overlay) pictures["overlay.jpg"] = await large(overlay);
  if (heatmap) pictures["heatmap.png"] = heatmap;
  return pictures;
}
