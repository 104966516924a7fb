import { execFile } from "node:child_process";
import { extname } from "node:path";
import { promisify } from "node:util";
import sharp from "sharp";
import { InputError } from "../errors.js";
import { type FrameLayout, frameBytes, type Rect } from "../pipeline/frame.js";
import { fitting, frameLayout, watchedRegion } from "../pipeline/placement.js";
import type { ModelView } from "../pipeline/plan.js";
import { ffmpegPath } from "../pipeline/tools.js";

/** Endings of still pictures, for files that do not tell by their content. */
export const PICTURE_ENDINGS: ReadonlySet<string> = new Set(
  ".jpg .jpeg .jfif .png .webp .tif .tiff .bmp .avif .jp2 .ppm .pgm .tga .svg".split(" "),
);
/** Transparent pixels and the borders of a letterbox; about zero once a model's mean is subtracted. */
const GREY = "#808080";
const MOST_BYTES = 1 << 30;
/** What a few bytes of PNG may unfold to: beyond it lies no camera, only an attack on memory. */
const MOST_PIXELS = 200_000_000;

const run = promisify(execFile);

/** Whether a file is one picture or a film; animated GIFs are films. Throws an `InputError` for animated WebP. */
export async function isPicture(path: string, shown: string): Promise<boolean> {
  let kind: { format?: string; pages?: number };
  try {
    kind = await sharp(path).metadata();
  } catch {
    // Not a kind that sharp reads, or a damaged one: its name tells who shall complain.
    return PICTURE_ENDINGS.has(extname(path).toLowerCase());
  }
  const moves = (kind.pages ?? 1) > 1;
  if (moves && kind.format === "webp")
    throw new InputError(
      "animated-webp",
      `${shown} is an animated WebP, which ffmpeg cannot read; make a GIF or MP4 of it.`,
    );
  return !(moves && kind.format === "gif");
}

/** A picture laid out as a frame of a film is. */
export interface DecodedPicture {
  memory: SharedArrayBuffer;
  layout: FrameLayout;
}

/**
 * Decodes a picture, a file's or the bytes of one, upright, in sRGB, transparent parts grey; `region` is in pixels of
 * the upright picture. Throws an `InputError` of one sentence when it cannot be read or the region reaches outside.
 */
export async function readPicture(
  from: string | Uint8Array,
  shown: string,
  view: ModelView,
  region: Rect | undefined,
  mostPixels = MOST_PIXELS,
): Promise<DecodedPicture> {
  const { data, info } = await decode(from, shown, mostPixels);
  const { width, height } = info;
  const { inputWidth, inputHeight, fit } = view;
  let layout: FrameLayout;
  try {
    layout = frameLayout(width, height, region, fit, inputWidth, inputHeight);
  } catch (error) {
    if (error instanceof InputError) throw new InputError(error.code, `${shown}: ${error.message}`, { cause: error });
    throw error;
  }
  const { source, target } = fitting(watchedRegion(width, height, region), fit, inputWidth, inputHeight);
  const input = await sharp(data, { raw: { width, height, channels: 3 } })
    .extract({ left: source.x, top: source.y, width: source.width, height: source.height })
    .resize(target.width, target.height, { fit: "fill" })
    .extend({
      left: target.x,
      top: target.y,
      right: inputWidth - target.x - target.width,
      bottom: inputHeight - target.y - target.height,
      background: GREY,
    })
    .raw()
    .toBuffer();
  const memory = new SharedArrayBuffer(frameBytes(layout));
  const slab = new Uint8Array(memory);
  copyRows(data, 3 * width, slab, 0, layout.stride);
  copyRows(input, 3 * inputWidth, slab, layout.stride * height, layout.stride);
  return { memory, layout };
}

function copyRows(from: Uint8Array, row: number, to: Uint8Array, start: number, stride: number): void {
  if (row === stride) to.set(from, start);
  else for (let at = 0, y = start; at < from.length; at += row, y += stride) to.set(from.subarray(at, at + row), y);
}

type Raw = { data: Buffer; info: { width: number; height: number } };

async function decode(from: string | Uint8Array, shown: string, mostPixels: number): Promise<Raw> {
  try {
    return await upright(from, mostPixels);
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    const unknown = /unsupported image format/i.test(said);
    const picture = unknown && typeof from === "string" ? await throughFfmpeg(from) : undefined;
    if (picture) return upright(picture, mostPixels);
    const why = unknown ? "it holds none of a known kind" : reasonIn(said);
    throw new InputError("unreadable-picture", `${shown} cannot be read as a picture: ${why}.`, { cause });
  }
}

/** libvips collects the words of all its threads in one place, so which of them come first is chance. */
const reasonIn = (said: string): string =>
  /premature end|treated as error|error in tile|corrupt/i.test(said)
    ? "it is damaged or cut off"
    : said.split("\n")[0]!.trim();

const upright = (input: string | Uint8Array, mostPixels: number): Promise<Raw> =>
  sharp(input, { limitInputPixels: mostPixels })
    .rotate()
    .toColourspace("srgb")
    .flatten({ background: GREY })
    .removeAlpha()
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });

/** The picture as PNG when ffmpeg knows the kind (BMP, JPEG 2000, TGA), undefined when it does not. */
async function throughFfmpeg(path: string): Promise<Buffer | undefined> {
  const args = ["-v", "error", "-xerror", "-nostdin", "-i", `file:${path}`, "-frames:v", "1"];
  args.push("-f", "image2pipe", "-c:v", "png", "pipe:1");
  return run(ffmpegPath(), args, { encoding: "buffer", maxBuffer: MOST_BYTES }).then(
    ({ stdout }) => (stdout.length > 0 ? stdout : undefined),
    () => undefined,
  );
}
