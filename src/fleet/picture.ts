import sharp from "sharp";
import { VideoExplainerError } from "../errors.js";
import type { PictureRows } from "../explain/explanation.js";
import type { PictureType } from "./wire.js";

export interface PictureSize {
  inputWidth: number;
  inputHeight: number;
}

/** The model's input as it travels: all its rows without gaps, or a JPEG of them, whose colours have the full resolution. */
export async function encodePicture(
  { memory, offset, stride }: PictureRows,
  { inputWidth, inputHeight }: PictureSize,
  { picture, quality }: { picture: PictureType; quality: number },
): Promise<Uint8Array> {
  const row = 3 * inputWidth;
  const slab = new Uint8Array(memory);
  const pixels = new Uint8Array(inputHeight * row);
  for (let y = 0; y < inputHeight; y++) {
    const from = offset + y * stride;
    pixels.set(slab.subarray(from, from + row), y * row);
  }
  if (picture === "raw") return pixels;
  return sharp(pixels, { raw: { width: inputWidth, height: inputHeight, channels: 3 } })
    .jpeg({ quality, chromaSubsampling: "4:4:4" })
    .toBuffer();
}

const wrong = (what: string): VideoExplainerError =>
  new VideoExplainerError("fleet-frame", `the frame ${what}; look who publishes to the queue`);

/**
 * Writes the pixels of a picture that came, RGB and row by row, into memory that holds just these.
 * @throws VideoExplainerError where it is not of the model's size, before memory is taken for another
 */
export async function decodePicture(
  body: Uint8Array,
  type: PictureType,
  { inputWidth: width, inputHeight: height }: PictureSize,
  memory: SharedArrayBuffer,
): Promise<void> {
  const bytes = 3 * width * height;
  const into = new Uint8Array(memory);
  if (type === "raw") {
    if (body.length !== bytes) throw wrong(`has ${body.length} bytes, not the ${bytes} of the model's input`);
    return into.set(body);
  }
  // By these two bytes a JPEG is told, and no other decoder is opened.
  if (body[0] !== 0xff || body[1] !== 0xd8) throw wrong("is no JPEG");
  const open = () => sharp(body, { limitInputPixels: width * height, failOn: "error" });
  const meta = await open()
    .metadata()
    .catch(() => undefined);
  if (meta?.format !== "jpeg" || meta.width !== width || meta.height !== height)
    throw wrong(`is no JPEG of ${width}x${height} pixels`);
  const pixels = await open()
    .toColourspace("srgb")
    .removeAlpha()
    .raw()
    .toBuffer()
    .catch(() => undefined);
  if (pixels?.length !== bytes) throw wrong("is a damaged JPEG");
  into.set(pixels);
}
