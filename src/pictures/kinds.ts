import { extname } from "node:path";

/** A kind of still picture, known by how its files begin. */
export interface PictureKind {
  name: string;
  isA(bytes: Buffer): boolean;
  /** ffmpeg's reader of it, which gets nothing but the bytes; without, libvips reads it. */
  ffmpeg?: readonly string[];
  /** Width and height, as kinds that libvips does not read say at their beginning. */
  size?(bytes: Buffer): readonly [number, number] | undefined;
}

/** How much of a file tells its kind and, of kinds with `size`, its size. */
const BEGINNING = 65_536;
const text = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, BEGINNING)).toString("latin1");

const bitmapSize = (bytes: Buffer): readonly [number, number] | undefined => {
  if (bytes.length < 26) return undefined;
  return bytes.readUInt32LE(14) === 12
    ? [bytes.readUInt16LE(18), bytes.readUInt16LE(20)]
    : [Math.abs(bytes.readInt32LE(18)), Math.abs(bytes.readInt32LE(22))];
};

/** Of the codestream, also within its file format. */
const jpeg2000Size = (bytes: Buffer): readonly [number, number] | undefined => {
  const at = text(bytes).indexOf("\xff\x4f\xff\x51");
  if (at < 0 || bytes.length < at + 24) return undefined;
  const [width, height, left, top] = [8, 12, 16, 20].map((offset) => bytes.readUInt32BE(at + offset));
  return [width! - left!, height! - top!];
};

const portableSize = (bytes: Buffer): readonly [number, number] | undefined => {
  const found = /^P\d\s+(?:#[^\n]*\n\s*)*(\d{1,9})\s+(?:#[^\n]*\n\s*)*(\d{1,9})\s/.exec(text(bytes));
  return found ? [Number(found[1]), Number(found[2])] : undefined;
};

const targaSize = (bytes: Buffer): readonly [number, number] | undefined =>
  bytes.length < 18 ? undefined : [bytes.readUInt16LE(12), bytes.readUInt16LE(14)];

const SIZE_BOX = Buffer.from("\0\0\0\x14ispe", "latin1");
/** A picture of more pixels a side is none. */
const MAX_CLAIMED_SIDE_PX = 1e8;

/**
 * The pixels that decoding an AVIF may come to: any of its images, of which the decoder lets each be 128 pixels wider and
 * higher than it says. Undefined: one says what no picture has.
 */
export function avifPixels(bytes: Buffer): number | undefined {
  let max = 0;
  for (let at = bytes.indexOf(SIZE_BOX); at >= 0 && at + 20 <= bytes.length; at = bytes.indexOf(SIZE_BOX, at + 8)) {
    const [width, height] = [bytes.readUInt32BE(at + 12), bytes.readUInt32BE(at + 16)];
    if (Math.max(width, height) >= MAX_CLAIMED_SIDE_PX) return undefined;
    max = Math.max(max, (width + 128) * (height + 128));
  }
  return max;
}

/** Whether a file's first bytes, one a letter, are so. */
const begins =
  (form: RegExp) =>
  (bytes: Buffer): boolean =>
    form.test(bytes.toString("latin1", 0, 256));

const portable = (name: string, form: RegExp): PictureKind => ({
  name: "PNM",
  isA: begins(form),
  ffmpeg: ["-f", `${name}_pipe`],
  size: portableSize,
});

/**
 * Every kind that is read: pixels alone, nothing that is drawn from a text or names other files, as SVG and playlists
 * do. Whatever else libvips or ffmpeg could open is not handed to them.
 */
const KINDS: readonly PictureKind[] = [
  { name: "JPEG", isA: begins(/^\xff\xd8\xff/) },
  { name: "PNG", isA: begins(/^\x89PNG\r\n/) },
  { name: "WebP", isA: begins(/^RIFF.{4}WEBP/s) },
  { name: "GIF", isA: begins(/^GIF8[79]a/) },
  { name: "TIFF", isA: begins(/^(?:II[*+]\0|MM\0[*+])/) },
  { name: "AVIF", isA: begins(/^.{4}ftyp(?:.{4}){0,32}?(?:avi[fs]|mi[af]f|m[is]f1|he[iv][cmsx])/s) },
  {
    name: "BMP",
    isA: (bytes) => begins(/^BM/)(bytes) && bytes.length > 26 && bytes.readUInt32LE(14) < 128,
    ffmpeg: ["-f", "bmp_pipe"],
    size: bitmapSize,
  },
  {
    name: "JPEG 2000",
    isA: begins(/^(?:\xff\x4f\xff\x51|\0\0\0\fjP {2}\r\n\x87\n)/),
    ffmpeg: ["-f", "j2k_pipe"],
    size: jpeg2000Size,
  },
  portable("pbm", /^P[14]\s/),
  portable("pgm", /^P[25]\s/),
  portable("ppm", /^P[36]\s/),
];

export const LIBVIPS_KINDS: readonly PictureKind[] = KINDS.filter(({ ffmpeg }) => !ffmpeg);

/** Its files begin with nothing of their own: the name tells. */
const TARGA: PictureKind = {
  name: "TGA",
  isA: (bytes) =>
    bytes.length > 18 &&
    bytes[1]! <= 1 &&
    [1, 2, 3, 9, 10, 11].includes(bytes[2]!) &&
    [8, 15, 16, 24, 32].includes(bytes[16]!),
  ffmpeg: ["-f", "image2pipe", "-c:v", "targa"],
  size: targaSize,
};

/** Endings of still pictures, for files that do not tell by their content. */
export const PICTURE_ENDINGS: ReadonlySet<string> = new Set(
  ".jpg .jpeg .jfif .png .webp .tif .tiff .bmp .avif .jp2 .pbm .pgm .ppm .tga".split(" "),
);

/** The kind of a picture by its bytes, or its first ones; `name` of its file, if it has one. */
export function pictureKind(bytes: Uint8Array, name = ""): PictureKind | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = KINDS.find(({ isA }) => isA(view));
  if (kind || extname(name).toLowerCase() !== ".tga") return kind;
  return TARGA.isA(view) ? TARGA : undefined;
}

/** What a file is that is no picture, as the end of a sentence, where that helps. */
export function notPixels(bytes: Uint8Array): string {
  const beginning = text(bytes.subarray(0, 1024));
  if (/^(?:\xef\xbb\xbf)?\s*<(?:\?xml|svg|!DOCTYPE svg|!--)/i.test(beginning) && /<svg/i.test(beginning)) {
    return "it is a drawing (SVG) and has no pixels; export it as PNG";
  }
  if (beginning.startsWith("%PDF")) return "it is a document (PDF); export its page as PNG";
  return "it holds none of a known kind";
}
