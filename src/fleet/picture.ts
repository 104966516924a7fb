import sharp from "sharp";
import { VideoExplainerError } from "../errors.js";
import type { PictureRows } from "../explain/explanation.js";
import type { PictureType } from "./wire.js";

export interface PictureSize {
  inputWidth: number;
  inputHeight: number;
}

/** Smaller and no slower than the others, measured on frames of the shipped film: see docs/fleet.md. */
const PNG = { compressionLevel: 3, adaptiveFiltering: true };

/** The model's input as it travels: its rows without gaps, as a PNG, or as a JPEG whose colours have the full resolution. */
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
  const whole = sharp(pixels, { raw: { width: inputWidth, height: inputHeight, channels: 3 } });
  const packed = picture === "png" ? whole.png(PNG) : whole.jpeg({ quality, chromaSubsampling: "4:4:4" });
  return packed.toBuffer();
}

const SIGNATURES = { png: [0x89, 0x50, 0x4e, 0x47], jpeg: [0xff, 0xd8] };

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
  const name = type.toUpperCase();
  // By its first bytes a picture is told, and no other decoder is opened.
  if (SIGNATURES[type].some((byte, i) => body[i] !== byte)) throw wrong(`is no ${name}`);
  const open = () => sharp(body, { limitInputPixels: width * height, failOn: "error" });
  const meta = await open()
    .metadata()
    .catch(() => undefined);
  if (meta?.format !== type || meta.width !== width || meta.height !== height)
    throw wrong(`is no ${name} of ${width}x${height} pixels`);
  const pixels = await open()
    .toColourspace("srgb")
    .removeAlpha()
    .raw()
    .toBuffer()
    .catch(() => undefined);
  if (pixels?.length !== bytes) throw wrong(`is a damaged ${name}`);
  into.set(pixels);
}
