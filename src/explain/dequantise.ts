import { strides } from "./strides.js";

/** How whole numbers stand for real ones: `real = scale · (whole − zero point)`. */
export interface Quantisation {
  /** One for all numbers, or one for each index of `axis`. */
  scales: readonly number[];
  /** As many as scales, or one, or none where it is 0. */
  zeroPoints: readonly number[];
  axis: number;
}

/** The real numbers that whole ones stand for. `data` is row-major, of shape `dims`. */
export function dequantise(data: ArrayLike<number>, dims: readonly number[], given: Quantisation): Float32Array {
  const { scales, zeroPoints, axis } = given;
  const zeroOf = (k: number): number => zeroPoints[zeroPoints.length > 1 ? k : 0] ?? 0;
  if (scales.length === 1) {
    const [scale, zero] = [scales[0]!, zeroOf(0)];
    return Float32Array.from(data, (q) => scale * (q - zero));
  }
  const step = strides(dims)[axis] ?? 1;
  const out = new Float32Array(data.length);
  for (let i = 0; i < out.length; i++) {
    const k = Math.floor(i / step) % scales.length;
    out[i] = scales[k]! * (data[i]! - zeroOf(k));
  }
  return out;
}
