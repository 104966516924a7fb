import { execFileSync } from "node:child_process";
import sharp from "sharp";

export const WIDTH = 96;
export const HEIGHT = 64;

/** Strong colours that change slowly, so that any other decoding of them is seen: red grows to the right, green downwards. */
export const PIXELS = Buffer.from(
  Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % WIDTH, Math.floor(i / 3 / WIDTH)];
    return [40 + (200 * x) / WIDTH, 40 + (200 * y) / HEIGHT, 60][i % 3]!;
  }),
);
const picture = () => sharp(PIXELS, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
const grey = () => picture().toColourspace("b-w");
const other = () => sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: "#20e" } });

async function several(kind: "gif" | "webp" | "tiff"): Promise<Buffer> {
  const pages = await Promise.all([picture().png().toBuffer(), other().png().toBuffer()]);
  const made = sharp(pages, { join: { animated: true } });
  return kind === "gif"
    ? made.gif().toBuffer()
    : kind === "webp"
      ? made.webp({ lossless: true }).toBuffer()
      : made.tiff({ compression: "lzw" }).toBuffer();
}

async function byFfmpeg(...args: string[]): Promise<Buffer> {
  const input = await picture().png().toBuffer();
  return execFileSync("ffmpeg", ["-v", "error", "-i", "pipe:0", "-frames:v", "1", ...args, "pipe:1"], { input });
}

/** A picture in a kind of file: its ending, its bytes, and how far its colours may be from those that went in. */
export interface PictureFile {
  name: string;
  ending: string;
  bytes(): Promise<Buffer>;
  tolerance: number;
  /** Read by ffmpeg, hence not taken from strangers. */
  local?: boolean;
  grey?: boolean;
}

const file = (
  name: string,
  ending: string,
  tolerance: number,
  bytes: () => Promise<Buffer>,
  more = {},
): PictureFile => ({
  ...{ name, ending, tolerance, bytes },
  ...more,
});

export const PICTURE_FILES: readonly PictureFile[] = [
  file("JPEG", "jpg", 6, () => picture().jpeg({ quality: 100 }).toBuffer()),
  file("progressive JPEG", "jpeg", 6, () => picture().jpeg({ quality: 100, progressive: true }).toBuffer()),
  // Print has no such green.
  file("CMYK JPEG", "jpg", 130, () => picture().toColourspace("cmyk").jpeg({ quality: 100 }).toBuffer()),
  file("JPEG in Display P3", "jpg", 8, () => picture().withIccProfile("p3").jpeg({ quality: 100 }).toBuffer()),
  file("grey JPEG", "jpg", 4, () => grey().jpeg({ quality: 100 }).toBuffer(), { grey: true }),
  file("PNG", "png", 0, () => picture().png().toBuffer()),
  file("PNG in Display P3", "png", 6, () => picture().withIccProfile("p3").png().toBuffer()),
  file("PNG of 16 bits", "png", 1, () => picture().toColourspace("rgb16").png().toBuffer()),
  file("PNG with a palette", "png", 40, () => picture().png({ palette: true }).toBuffer()),
  file("PNG with alpha", "png", 0, () => picture().ensureAlpha(1).png().toBuffer()),
  file("grey PNG", "png", 1, () => grey().png().toBuffer(), { grey: true }),
  file("TIFF, LZW", "tif", 0, () => picture().tiff({ compression: "lzw" }).toBuffer()),
  file("TIFF, JPEG", "tiff", 12, () => picture().tiff({ compression: "jpeg", quality: 100 }).toBuffer()),
  file("TIFF, deflated tiles", "tiff", 0, () =>
    picture().tiff({ compression: "deflate", tile: true, tileWidth: 32, tileHeight: 32 }).toBuffer(),
  ),
  file("TIFF of 16 bits", "tif", 1, () => picture().toColourspace("rgb16").tiff({ compression: "lzw" }).toBuffer()),
  file("TIFF of two pages", "tif", 0, () => several("tiff")),
  file("AVIF", "avif", 20, () => picture().avif({ quality: 95, chromaSubsampling: "4:4:4", effort: 0 }).toBuffer()),
  file("WebP", "webp", 0, () => picture().webp({ lossless: true }).toBuffer()),
  file("animated WebP", "webp", 0, () => several("webp")),
  file("BMP", "bmp", 0, () => byFfmpeg("-f", "image2pipe", "-c:v", "bmp"), { local: true }),
  file("JPEG 2000", "jp2", 6, () => byFfmpeg("-f", "image2pipe", "-c:v", "jpeg2000", "-pix_fmt", "rgb24"), {
    local: true,
  }),
  file("TGA", "tga", 0, () => byFfmpeg("-f", "image2pipe", "-c:v", "targa"), { local: true }),
  file("PPM", "ppm", 0, () => byFfmpeg("-f", "image2pipe", "-c:v", "ppm"), { local: true }),
];

/** The GIF that a folder or film source shows as a film. */
export const animatedGif = (): Promise<Buffer> => several("gif");

/** What a source, a command or a request was shown: the largest difference from the picture that went into the file. */
export function farthest(seen: Uint8Array, stride: number, ofGrey = false): number {
  let most = 0;
  for (let y = 0; y < HEIGHT; y++)
    for (let x = 0; x < WIDTH; x++) {
      const at = y * stride + 3 * x;
      const from = 3 * (y * WIDTH + x);
      if (ofGrey) most = Math.max(most, Math.abs(seen[at]! - seen[at + 1]!), Math.abs(seen[at]! - seen[at + 2]!));
      else for (let c = 0; c < 3; c++) most = Math.max(most, Math.abs(seen[at + c]! - PIXELS[from + c]!));
    }
  return most;
}
