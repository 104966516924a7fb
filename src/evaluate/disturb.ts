import sharp from "sharp";
import { normal } from "./random.js";

/** Standard deviation of the noise in grey levels. */
const NOISE_LEVELS = 8;
const JPEG_QUALITY = 75;

type Disturbance = (
  pixels: Uint8Array,
  width: number,
  height: number,
  seeds: readonly number[],
) => Uint8Array | Promise<Uint8Array>;

/** What stability is tried with: a picture in and out, 3 bytes a pixel. */
export const disturbances = {
  /** Gaussian noise on each value. */
  noise(pixels, _width, _height, seeds) {
    const next = normal(...seeds);
    // Clamps and rounds.
    return new Uint8Array(Uint8ClampedArray.from(pixels, (v) => v + NOISE_LEVELS * next()).buffer);
  },
  async jpeg(pixels, width, height) {
    const jpeg = await sharp(pixels, { raw: { width, height, channels: 3 } })
      .jpeg({ quality: JPEG_QUALITY })
      .toBuffer();
    return new Uint8Array(await sharp(jpeg).toColourspace("srgb").removeAlpha().raw().toBuffer());
  },
} satisfies Record<string, Disturbance>;
