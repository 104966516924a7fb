import { strides, transposeInto, walk } from "../strides.js";
import { type Constant, size, typeOf } from "./tensor.js";

/** Room for numbers of the kind that a constant holds. */
export const room = (source: Constant, count: number): Constant["data"] =>
  source.data instanceof Float32Array ? new Float32Array(count) : new Float64Array(count);
export const like = ({ integer, type }: Constant, dims: number[], data: Constant["data"]): Constant => ({
  dims,
  data,
  integer,
  ...(type !== undefined && { type }),
});

/** The dims that two tensors broadcast to; undefined where they do not fit. */
export function broadcastDims(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const dims = Array.from({ length: rank }, (_, k) => {
    const [x, y] = [a[k - (rank - a.length)] ?? 1, b[k - (rank - b.length)] ?? 1];
    return x === y || y === 1 ? x : x === 1 ? y : -1;
  });
  return dims.includes(-1) ? undefined : dims;
}

/** Where each element of a broadcast result lies in an operand, along each axis: 0 where the operand is copied. */
function steps(own: readonly number[], rank: number): number[] {
  const padded = [...new Array<number>(rank - own.length).fill(1), ...own];
  return strides(padded).map((step, k) => (padded[k] === 1 ? 0 : step));
}

/** `fn` of two constants, element by element; `as` is like the result. Undefined where their dims do not fit. */
export function broadcast(
  a: Constant,
  b: Constant,
  fn: (x: number, y: number) => number,
  as: Pick<Constant, "integer" | "type" | "data"> = a,
): Constant | undefined {
  const dims = broadcastDims(a.dims, b.dims);
  if (!dims) return undefined;
  const out = room(as as Constant, size(dims));
  const [sa, sb] = [steps(a.dims, dims.length), steps(b.dims, dims.length)];
  walk(dims, [sa, sb], (i, at) => {
    out[i] = fn(a.data[at[0]!]!, b.data[at[1]!]!);
  });
  return like(as as Constant, dims, out);
}

export function transposeConstant(c: Constant, permutation: readonly number[]): Constant {
  const out = room(c, c.data.length);
  return like(c, transposeInto(out, c.data, c.dims, permutation), out);
}

export function gather(data: Constant, indices: Constant, axis: number): Constant | undefined {
  const outer = size(data.dims.slice(0, axis));
  const inner = size(data.dims.slice(axis + 1));
  const extent = data.dims[axis]!;
  const out = room(data, outer * indices.data.length * inner);
  let at = 0;
  for (let o = 0; o < outer; o++)
    for (const raw of indices.data) {
      const k = raw < 0 ? raw + extent : raw;
      if (!(Number.isInteger(k) && k >= 0 && k < extent)) return undefined;
      const from = (o * extent + k) * inner;
      out.set(data.data.subarray(from, from + inner), at);
      at += inner;
    }
  return like(data, [...data.dims.slice(0, axis), ...indices.dims, ...data.dims.slice(axis + 1)], out);
}

/** The elements of an axis of `extent` that a slice takes. */
export function places(start: number, end: number, step: number, extent: number): number[] {
  const clamp = (v: number, low: number, high: number) => Math.min(Math.max(v < 0 ? v + extent : v, low), high);
  const found: number[] = [];
  if (step > 0) for (let k = clamp(start, 0, extent); k < clamp(end, 0, extent); k += step) found.push(k);
  else for (let k = clamp(start, 0, extent - 1); k > clamp(end, -1, extent - 1); k += step) found.push(k);
  return found;
}

export function sliceConstant(data: Constant, lists: Record<"starts" | "ends" | "axes" | "steps", readonly number[]>) {
  const { starts, ends, axes, steps } = lists;
  let current: Constant | undefined = data;
  for (const [k, raw] of axes.entries()) {
    const axis = raw < 0 ? raw + data.dims.length : raw;
    const extent = current?.dims[axis];
    if (!current || extent === undefined) return undefined;
    const picks = Float64Array.from(places(starts[k]!, ends[k]!, steps[k]!, extent));
    current = gather(current, { dims: [picks.length], data: picks, integer: true }, axis);
  }
  return current;
}

export function concat(parts: Constant[], axis: number): Constant | undefined {
  const [first] = parts as [Constant];
  const at = axis < 0 ? axis + first.dims.length : axis;
  if (parts.some((p) => p.dims.length !== first.dims.length || p.dims.some((d, k) => k !== at && d !== first.dims[k])))
    return undefined;
  if (parts.some((p) => typeOf(p) !== typeOf(first)) || !(at >= 0 && at < first.dims.length)) return undefined;
  const dims = [...first.dims];
  dims[at] = parts.reduce((sum, p) => sum + p.dims[at]!, 0);
  const out = room(first, size(dims));
  const outer = size(first.dims.slice(0, at));
  let to = 0;
  for (let o = 0; o < outer; o++)
    for (const part of parts) {
      const chunk = size(part.dims.slice(at));
      out.set(part.data.subarray(o * chunk, (o + 1) * chunk), to);
      to += chunk;
    }
  return like(first, dims, out);
}
