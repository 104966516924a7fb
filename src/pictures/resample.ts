import type { Interpolation, Resampling } from "../fit.js";
import type { Rect } from "../frame.js";
import type { Raw } from "./decode.js";

/** Bits behind the point of a weight, as many as fit beside a sum of pixels in 32. */
const PRECISION_BITS = 22;
const HALF = 1 << (PRECISION_BITS - 1);

interface Filter {
  /** Pixels on either side of the middle, at the picture's own size. */
  support: number;
  /** Not normalised. */
  weight(x: number): number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));
/** Keys' coefficient: Pillow, TensorFlow and torchvision on pictures have this one. */
const A = -0.5;

const FILTERS: Readonly<Record<Exclude<Interpolation, "nearest">, Filter>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    weight: (x) => (Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(x * Math.PI))),
  },
  bicubic: {
    support: 2,
    weight: (given) => {
      const x = Math.abs(given);
      if (x < 1) return ((A + 2) * x - (A + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * A : 0;
    },
  },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Of each pixel along one axis: where those begin that it is made of, how many they are, and their weights one after the other. */
interface Taps {
  from: Int32Array;
  count: Int32Array;
  weights: Int32Array;
  /** Weights a pixel. */
  stride: number;
}

/** Pixels `start` to `start + count` of `length` that are resized to `resized`. */
function taps(
  length: number,
  resized: number,
  [start, count]: readonly [number, number],
  { interpolation, antialias }: Resampling,
): Taps {
  const scale = length / resized;
  if (interpolation === "nearest") return nearest(length, scale, start, count);
  const { support: own, weight } = FILTERS[interpolation];
  const spread = antialias ? Math.max(1, scale) : 1;
  const support = own * spread;
  const made = noTaps(count, 2 * Math.ceil(support) + 1);
  for (let k = 0; k < count; k++) {
    const middle = (start + k + 0.5) * scale;
    const first = Math.max(0, Math.trunc(middle - support + 0.5));
    const end = Math.min(length, Math.trunc(middle + support + 0.5));
    const raw: number[] = [];
    for (let at = first; at < end; at++) raw.push(weight((at - middle + 0.5) / spread));
    const share = 2 ** PRECISION_BITS / (raw.reduce((total, w) => total + w, 0) || 1);
    made.from[k] = first;
    made.count[k] = end - first;
    raw.forEach((w, n) => {
      made.weights[k * made.stride + n] = Math.trunc(w * share + (w < 0 ? -0.5 : 0.5));
    });
  }
  return made;
}

const noTaps = (count: number, stride: number): Taps => ({
  from: new Int32Array(count),
  count: new Int32Array(count),
  weights: new Int32Array(count * stride),
  stride,
});

/** Added up step by step as Pillow does, so that a place between two pixels falls to the same of them. */
function nearest(length: number, scale: number, start: number, count: number): Taps {
  const made = noTaps(count, 1);
  let at = 0.5 * scale;
  for (let k = -start; k < count; k++, at += scale) if (k >= 0) made.from[k] = Math.min(length - 1, Math.floor(at));
  made.count.fill(1);
  made.weights.fill(2 ** PRECISION_BITS);
  return made;
}

const clip = (sum: number): number => {
  const value = sum >> PRECISION_BITS;
  return value < 0 ? 0 : value > 255 ? 255 : value;
};

/**
 * Part of a picture as it is once `source` of it is resized: to the last bit what Pillow gives, which libvips and ffmpeg
 * only come near to. Rows first, rounded to whole pixels, then columns.
 * @param picture RGB, 3 bytes a pixel, rows without gaps
 * @param source whole pixels of the picture
 * @param resized the size that `source` is resized to
 * @param cut the part of the result that is wanted, in its pixels
 * @returns RGB of the size of `cut`. Takes memory for the rows of `source` at the width of `cut`.
 */
export function resample(
  picture: Raw,
  source: Rect,
  resized: { width: number; height: number },
  cut: Rect,
  resampling: Resampling,
): Buffer {
  const down = taps(source.height, resized.height, [cut.y, cut.height], resampling);
  // Only the rows that any pixel of the result is made of.
  const top = down.from.reduce((least, row) => Math.min(least, row), source.height);
  const bottom = down.from.reduce((most, row, k) => Math.max(most, row + down.count[k]!), 0);
  const across = taps(source.width, resized.width, [cut.x, cut.width], resampling);
  const rows = Buffer.alloc(3 * cut.width * (bottom - top));
  for (let y = top, to = 0; y < bottom; y++) {
    const row = 3 * ((source.y + y) * picture.width + source.x);
    for (let x = 0; x < cut.width; x++, to += 3) sumUp(picture.data, row + 3 * across.from[x]!, 3, across, x, rows, to);
  }
  const out = Buffer.alloc(3 * cut.width * cut.height);
  const stride = 3 * cut.width;
  for (let y = 0, to = 0; y < cut.height; y++) {
    const first = (down.from[y]! - top) * stride;
    for (let x = 0; x < cut.width; x++, to += 3) sumUp(rows, first + 3 * x, stride, down, y, out, to);
  }
  return out;
}

/** Three channels of pixel `k` along an axis, from pixels `step` bytes apart. */
function sumUp(from: Buffer, first: number, step: number, taps: Taps, k: number, to: Buffer, at: number): void {
  let [red, green, blue] = [HALF, HALF, HALF];
  const { weights, stride } = taps;
  const begin = k * stride;
  const end = begin + taps.count[k]!;
  for (let n = begin, pixel = first; n < end; n++, pixel += step) {
    const weight = weights[n]!;
    red += weight * from[pixel]!;
    green += weight * from[pixel + 1]!;
    blue += weight * from[pixel + 2]!;
  }
  to[at] = clip(red);
  to[at + 1] = clip(green);
  to[at + 2] = clip(blue);
}
