/** Quantisation of constants, whatever format they come in: `value = (whole − zero) · scale`. */

type Numbers = Float32Array | Float64Array;

/** One scale for all; or one for each place along an axis, or for each `block` of places along it. */
export interface Scales {
  scale: ArrayLike<number>;
  /** As many as there are scales; 0 where it is not given. */
  zero?: ArrayLike<number>;
  axis: number;
  block: number;
}

/** How many scales a tensor of these dims needs. */
export function scalesNeeded(dims: readonly number[], axis: number, block: number): number {
  const outer = block > 1 ? size(dims.slice(0, axis)) * size(dims.slice(axis + 1)) : 1;
  return outer * Math.ceil(dims[axis]! / block);
}

const size = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** Calls back with the place of each number and that of its scale. */
function each(dims: readonly number[], { scale, axis, block }: Scales, fn: (at: number, of: number) => void): void {
  const count = size(dims);
  if (scale.length === 1) {
    for (let k = 0; k < count; k++) fn(k, 0);
    return;
  }
  const inner = size(dims.slice(axis + 1));
  const length = dims[axis]!;
  const blocks = Math.ceil(length / block);
  for (let k = 0; k < count; k++) {
    const along = Math.floor((Math.floor(k / inner) % length) / block);
    if (block === 1) fn(k, along);
    else fn(k, (Math.floor(k / (inner * length)) * blocks + along) * inner + (k % inner));
  }
}

/** The values that whole numbers stand for. */
export function dequantised(whole: Numbers, dims: readonly number[], scales: Scales): Float32Array {
  const { scale, zero } = scales;
  const values = new Float32Array(whole.length);
  each(dims, scales, (at, of) => {
    values[at] = (whole[at]! - (zero?.[of] ?? 0)) * scale[of]!;
  });
  return values;
}

/** The whole numbers that stand for values, within `[low, high]`; halves go to the even neighbour. */
export function quantised(
  values: Numbers,
  dims: readonly number[],
  scales: Scales,
  { low, high }: Range,
): Float32Array {
  const { scale, zero } = scales;
  const whole = new Float32Array(values.length);
  each(dims, scales, (at, of) => {
    const steps = roundedToEven(Math.fround(values[at]! / scale[of]!)) + (zero?.[of] ?? 0);
    whole[at] = Math.min(Math.max(steps, low), high);
  });
  return whole;
}

function roundedToEven(v: number): number {
  const down = Math.floor(v);
  const above = v - down;
  return above > 0.5 || (above === 0.5 && down % 2 !== 0) ? down + 1 : down;
}

/** Of the whole numbers of a type. */
export interface Range {
  low: number;
  high: number;
}

export const rangeOf = (bits: number, signed: boolean): Range =>
  signed ? { low: -(2 ** (bits - 1)), high: 2 ** (bits - 1) - 1 } : { low: 0, high: 2 ** bits - 1 };
