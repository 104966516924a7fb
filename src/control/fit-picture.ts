import sharp from "sharp";
import { VideoExplainerError } from "../errors.js";

const TRIES = 6;

/** A JPEG of at most so many bytes: the same, or encoded smaller. Throws when no such picture can be made. */
export async function fitPicture(jpeg: Uint8Array, mostBytes: number): Promise<Uint8Array> {
  if (jpeg.byteLength <= mostBytes) return jpeg;
  const { width } = await sharp(jpeg).metadata();
  let factor = 1;
  let bytes = jpeg.byteLength;
  for (let attempt = 0; attempt < TRIES && mostBytes > 0; attempt++) {
    factor *= Math.min(0.9, 0.9 * Math.sqrt(mostBytes / bytes));
    const smaller = await sharp(jpeg)
      .resize({ width: Math.max(1, Math.round(width * factor)) })
      .jpeg({ quality: 75 })
      .toBuffer();
    bytes = smaller.byteLength;
    if (bytes <= mostBytes) return smaller;
  }
  throw new VideoExplainerError(
    "too-large",
    `the overlay has ${jpeg.byteLength} bytes and does not fit into the ${Math.max(0, mostBytes)} that are left of the NATS server's max_payload; raise that limit`,
  );
}
