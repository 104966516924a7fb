import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { extname } from "node:path";
import { promisify } from "node:util";
import sharp from "sharp";
import { childEnvironment } from "../child-environment.js";
import { InputError } from "../errors.js";
import { type FrameLayout, frameBytes, type Rect } from "../pipeline/frame.js";
import { fitting, frameLayout, watchedRegion } from "../pipeline/placement.js";
import type { ModelView } from "../pipeline/plan.js";
import { ShortageError, shortageOf } from "../pipeline/shortage.js";
import { ffmpegPath } from "../pipeline/tools.js";
import type { PictureMemory } from "./picture-memory.js";

/** Endings of still pictures, for files that do not tell by their content. */
export const PICTURE_ENDINGS: ReadonlySet<string> = new Set(
  ".jpg .jpeg .jfif .png .webp .tif .tiff .bmp .avif .jp2 .ppm .pgm .tga .svg".split(" "),
);
/** Transparent pixels and the borders of a letterbox; about zero once a model's mean is subtracted. */
const GREY = "#808080";
const MOST_BYTES = 1 << 30;
/** What a few bytes of PNG may unfold to: beyond it lies no camera, only an attack on memory. */
const MOST_PIXELS = 200_000_000;
/** Of a JPEG, as which the picture is shown with its heat. */
const LONGEST_SIDE = 65_500;

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

export interface ReadOptions {
  /** Where the picture is laid; it is the caller's to give back. */
  memory: PictureMemory;
  /** In pixels of the upright picture. */
  region?: Rect;
  mostPixels?: number;
}

/**
 * Decodes a picture, a file's or the bytes of one, upright, in sRGB, transparent parts grey. Throws an `InputError` of
 * one sentence when it cannot be read, is too large, or the region reaches outside.
 */
export async function readPicture(
  from: string | Uint8Array,
  shown: string,
  view: ModelView,
  { memory: pool, region, mostPixels = MOST_PIXELS }: ReadOptions,
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
  const memory = pool.take(frameBytes(layout));
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
    const { width, height } = await sharp(from, { limitInputPixels: false }).metadata();
    refuseLarge(shown, width, height, mostPixels);
    return await upright(from, mostPixels);
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    const unknown = /unsupported image format/i.test(String(cause));
    const picture = unknown && typeof from === "string" ? await throughFfmpeg(from) : undefined;
    if (picture) return decode(picture, shown, mostPixels);
    const why = typeof from === "string" ? await unreadable(from) : undefined;
    const what = why ?? (unknown ? "it holds none of a known kind" : "it is damaged or cut off");
    throw new InputError("unreadable-picture", `${shown} cannot be read as a picture: ${what}.`, { cause });
  }
}

function refuseLarge(shown: string, width: number, height: number, mostPixels: number): void {
  const refuse = (why: string): never => {
    throw new InputError("large-picture", `${shown} has ${width}x${height} pixels, ${why}.`);
  };
  if (width * height > mostPixels) refuse(`more than ${mostPixels / 1e6} million; give a smaller picture`);
  if (Math.max(width, height) > LONGEST_SIDE) {
    refuse(`and no side may have more than ${LONGEST_SIDE}; give a part of it`);
  }
}

/** Why the system does not let a file be read, if so. */
const unreadable = (path: string): Promise<string | undefined> =>
  access(path, constants.R_OK).then(
    () => undefined,
    ({ code }: NodeJS.ErrnoException) =>
      code === "ENOENT" ? "it is not there any more" : `the system does not let it be read (${code})`,
  );

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
  return run(ffmpegPath(), args, { encoding: "buffer", env: childEnvironment(), maxBuffer: MOST_BYTES }).then(
    ({ stdout }) => (stdout.length > 0 ? stdout : undefined),
    (cause: NodeJS.ErrnoException) => {
      const short = shortageOf(cause.code);
      if (short) throw new ShortageError("ffmpeg", short, cause);
      return undefined;
    },
  );
}
