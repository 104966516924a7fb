import sharp from "sharp";
import { GREY, type Raw } from "./decode.js";
import { resample } from "./resample.js";
import type { PictureTarget } from "./worker-messages.js";

/**
 * Lays a picture into memory as `FrameLayout` says: whole, set into the frame's size where its own is another, and below
 * it the model's input. Must not be used on the event loop of the program.
 */
export async function compose(
  picture: Raw,
  { layout, source, resized, cut, target, resampling, fill, rotate, behind }: PictureTarget,
  memory: SharedArrayBuffer,
): Promise<void> {
  const { width, height, inputWidth, inputHeight, stride } = layout;
  const whole = await setInto(await turned(picture, rotate), width, height, behind ?? GREY);
  const seen = resample(whole, source, resized, cut, resampling);
  const slab = new Uint8Array(memory);
  copyRows(whole.data, 3 * width, slab, 0, stride);
  if (cut.width < inputWidth || cut.height < inputHeight)
    for (let y = height; y < height + inputHeight; y++)
      for (let x = 0; x < inputWidth; x++) slab.set(fill, stride * y + 3 * x);
  copyRows(seen, 3 * cut.width, slab, stride * (height + target.y) + 3 * target.x, stride);
}

const open = ({ data, width, height }: Raw) => sharp(data, { raw: { width, height, channels: 3 } });

async function turned(picture: Raw, rotate: number): Promise<Raw> {
  if (rotate === 0) return picture;
  const { data, info } = await open(picture).rotate(rotate).raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

/** In its own proportions, `around` it a colour. */
async function setInto(picture: Raw, width: number, height: number, around: string): Promise<Raw> {
  if (picture.width === width && picture.height === height) return picture;
  const scale = Math.min(width / picture.width, height / picture.height);
  const across = Math.min(width, Math.max(1, Math.round(picture.width * scale)));
  const down = Math.min(height, Math.max(1, Math.round(picture.height * scale)));
  const [left, top] = [Math.floor((width - across) / 2), Math.floor((height - down) / 2)];
  const data = await open(picture)
    .resize(across, down, { fit: "fill" })
    .extend({ left, top, right: width - across - left, bottom: height - down - top, background: around })
    .raw()
    .toBuffer();
  return { data, width, height };
}

function copyRows(from: Uint8Array, row: number, to: Uint8Array, start: number, stride: number): void {
  if (row === stride) to.set(from, start);
  else for (let at = 0, y = start; at < from.length; at += row, y += stride) to.set(from.subarray(at, at + row), y);
}
