/** What pixels are taken away to. */
export const BASELINES = ["blur", "mean"] as const;
export type Baseline = (typeof BASELINES)[number];

/** Standard deviation of the blur, as a part of the longer side. */
const BLUR_SHARE = 1 / 16;

/** A picture without its details, or without anything: 3 bytes a pixel in and out. */
export const baseline: Record<Baseline, (pixels: Uint8Array, width: number, height: number) => Uint8Array> = {
  /** Blurred by a Gaussian of a sixteenth of the longer side, cut at three standard deviations, the border repeated. */
  blur(pixels, width, height) {
    const sigma = BLUR_SHARE * Math.max(width, height);
    const across = convolved(Float64Array.from(pixels), gaussian(sigma), height, width, 3 * width, 3);
    return rounded(convolved(across, gaussian(sigma), width, height, 3, 3 * width));
  },
  /** Its mean colour. */
  mean(pixels) {
    const sums = [0, 0, 0];
    for (let k = 0; k < pixels.length; k++) sums[k % 3]! += pixels[k]!;
    return rounded(Float64Array.from(pixels, (_, k) => (3 * sums[k % 3]!) / pixels.length));
  },
};

const rounded = (values: Float64Array): Uint8Array => Uint8Array.from(values, Math.round);

/** One half of a kernel, its middle first; all of it sums to 1. */
function gaussian(sigma: number): Float64Array {
  const half = Float64Array.from({ length: Math.ceil(3 * sigma) + 1 }, (_, k) =>
    Math.exp(-(k * k) / (2 * sigma * sigma)),
  );
  const sum = 2 * half.reduce((a, b) => a + b, 0) - half[0]!;
  return half.map((v) => v / sum);
}

/** Convolves `lines` lines of `length` pixels of three channels with an even kernel. */
function convolved(
  from: Float64Array,
  half: Float64Array,
  lines: number,
  length: number,
  lineStride: number,
  stride: number,
): Float64Array {
  const out = new Float64Array(from.length);
  for (let line = 0; line < lines; line++)
    for (let c = 0; c < 3; c++) {
      const start = line * lineStride + c;
      const value = (k: number): number => from[start + Math.min(length - 1, Math.max(0, k)) * stride]!;
      for (let k = 0; k < length; k++) {
        let sum = half[0]! * value(k);
        for (let d = 1; d < half.length; d++) sum += half[d]! * (value(k - d) + value(k + d));
        out[start + k * stride] = sum;
      }
    }
  return out;
}
