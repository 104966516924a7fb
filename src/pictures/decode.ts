import { execFile } from "node:child_process";
import { constants, type FileHandle, open } from "node:fs/promises";
import sharp, { type Metadata } from "sharp";
import { childEnvironment } from "../child-environment.js";
import { dyingWithParent } from "../ffmpeg/processes.js";
import { shortageOf } from "../ffmpeg/shortage.js";
import { ffmpegPath } from "../ffmpeg/version.js";
import { avifPixels, notPixels, type PictureKind, pictureKind } from "./kinds.js";
import type { FoundPicture } from "./worker-messages.js";

/** Transparent pixels, and the borders of pictures that are set into a frame: about zero once a model's mean is subtracted. */
export const GREY = "#808080";
/** No still picture is larger; what is comes whole into memory. */
const MAX_FILE_BYTES = 1 << 30;
const DECODE_SECONDS = 60;
/** Bytes a pixel: the picture in RGB, and what is copied while it is made. */
const RGB_BYTES = 4;

/** Why a picture cannot be read; the message ends a sentence. */
export class Unreadable extends Error {}
const DAMAGED = "it is damaged or cut off";
const unreadable = (what: string, cause?: unknown): Unreadable => new Unreadable(what, { cause });

/** An encoded picture, looked at. */
export interface Encoded {
  bytes: Buffer;
  kind: PictureKind;
  found: FoundPicture;
}

/** RGB, 3 bytes a pixel, rows without gaps. */
export interface Raw {
  data: Buffer;
  width: number;
  height: number;
}

/** Looks at a picture, a file's or the bytes of one. Throws `Unreadable`. Must not be used on the event loop of the program. */
export async function look(from: string | Uint8Array): Promise<Encoded> {
  const bytes =
    typeof from === "string" ? await readBytes(from) : Buffer.from(from.buffer, from.byteOffset, from.byteLength);
  const kind = pictureKind(bytes, typeof from === "string" ? from : undefined);
  if (!kind) throw unreadable(notPixels(bytes));
  if (kind.size) {
    const [width, height] = kind.size(bytes) ?? [0, 0];
    if (!(width > 0 && height > 0)) throw unreadable(DAMAGED);
    return {
      bytes,
      kind,
      found: { kind: kind.name, width, height, pages: 1, bytes: 2 * RGB_BYTES * ffmpegPixels(width, height) },
    };
  }
  const claimed = kind.name === "AVIF" ? avifPixels(bytes) : 0;
  if (claimed === undefined) throw unreadable(DAMAGED);
  const meta = await sharp(bytes, { limitInputPixels: false })
    .metadata()
    .catch((cause: unknown) => {
      throw unreadable(wordsFor(cause), cause);
    });
  const { width, height } = meta.autoOrient;
  const needed = Math.max(width * height, claimed) * bytesAPixel(meta);
  return { bytes, kind, found: { kind: kind.name, width, height, pages: meta.pages ?? 1, bytes: needed } };
}

/** What libvips takes a pixel at its peak, measured: most kinds flow through, some are first decoded whole. */
function bytesAPixel({ format, channels, depth, isProgressive, chromaSubsampling, orientation }: Metadata): number {
  const deep = depth !== "uchar";
  const stored = channels * (deep ? 2 : 1);
  const turned = (orientation ?? 1) > 1 ? stored : 0;
  if (format === "heif") return deep ? 26 : 20;
  if (format === "webp") return 12;
  if (format === "gif") return 8;
  if (format === "tiff") return RGB_BYTES + stored + turned;
  if (format !== "jpeg") return RGB_BYTES + turned + (isProgressive ? stored : 0);
  const coefficients = (chromaSubsampling === "4:2:0" ? 1.5 : channels) * 2;
  return RGB_BYTES + turned + (isProgressive ? coefficients : 0);
}

/** The picture's first page upright, in sRGB, transparent parts grey or as `behind` says. Throws `Unreadable`. */
export async function decode({ bytes, kind, found }: Encoded, behind: string = GREY): Promise<Raw> {
  const pixels = found.width * found.height;
  const readable = kind.ffmpeg ? await throughFfmpeg(bytes, kind.ffmpeg, found) : bytes;
  try {
    const { data, info } = await sharp(readable, { limitInputPixels: pixels })
      .timeout({ seconds: DECODE_SECONDS })
      .autoOrient()
      .toColourspace("srgb")
      .flatten({ background: behind })
      .removeAlpha()
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height };
  } catch (cause) {
    throw unreadable(wordsFor(cause), cause);
  }
}

function wordsFor(cause: unknown): string {
  const words = String(cause);
  if (/timeout/i.test(words)) return `it takes longer than ${DECODE_SECONDS} s to decode`;
  if (/unsupported codec|decoding plugin|not been built in/i.test(words)) return "its compression is not known";
  return /unsupported image format/i.test(words) ? "it holds none of a known kind" : DAMAGED;
}

/** The bytes of a file, and of nothing but a file: to read a pipe or device may never end. */
async function readBytes(path: string): Promise<Buffer> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await file.stat();
    if (!stat.isFile()) throw unreadable("it is no file");
    if (stat.size === 0) throw unreadable("it is empty");
    if (stat.size > MAX_FILE_BYTES) throw unreadable(`it has more than ${MAX_FILE_BYTES >> 20} MiB`);
    return await file.readFile();
  } catch (cause) {
    if (cause instanceof Unreadable) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw unreadable(
      code === "ENOENT" ? "it is not there any more" : `the system does not let it be read (${code})`,
      cause,
    );
  } finally {
    await file?.close();
  }
}

/** What ffmpeg may come to: it counts with sides rounded up. */
const ffmpegPixels = (width: number, height: number): number => (width + 256) * (height + 256);

/** As PNG. ffmpeg is given the bytes, the kind and no way to open anything else. */
function throughFfmpeg(bytes: Buffer, kind: readonly string[], found: FoundPicture): Promise<Buffer> {
  const pixels = ffmpegPixels(found.width, found.height);
  const [program, args] = dyingWithParent(ffmpegPath(), [
    ...["-v", "error", "-xerror", "-protocol_whitelist", "pipe", "-max_pixels", String(pixels)],
    ...["-frame_size", String(bytes.length), ...kind, "-i", "pipe:0"],
    ...["-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "-compression_level", "1", "pipe:1"],
  ]);
  const options = {
    encoding: "buffer" as const,
    maxBuffer: 8 * pixels + (1 << 20),
    timeout: DECODE_SECONDS * 1000,
    killSignal: "SIGKILL" as const,
    env: childEnvironment(),
  };
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, options, (error, stdout) => {
      const short = shortageOf((error as NodeJS.ErrnoException | null)?.code);
      if (short) reject(unreadable(`ffmpeg cannot be started, ${short}`, error));
      else if (error || stdout.length === 0) reject(unreadable(DAMAGED, error));
      else resolve(stdout);
    });
    // That it has read enough shows in its answer.
    child.stdin?.on("error", () => {});
    child.stdin?.end(bytes);
  });
}
