import type { Constant } from "./tensor.js";

type Attributes = { int(name: string, fallback: number): number; ints(name: string): number[] | undefined };

const strides = (dims: readonly number[]): number[] => {
  const out = new Array<number>(dims.length);
  let step = 1;
  for (let i = dims.length - 1; i >= 0; i--) {
    out[i] = step;
    step *= dims[i]!;
  }
  return out;
};

const size = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);
const like = (source: Constant, dims: number[], data: ArrayLike<number>): Constant => ({
  dims,
  data: source.integer ? Float64Array.from(data) : Float32Array.from(data),
  integer: source.integer,
});

function broadcast(
  a: Constant,
  b: Constant,
  fn: (x: number, y: number) => number,
  integer = a.integer && b.integer,
): Constant {
  const rank = Math.max(a.dims.length, b.dims.length);
  const da = [...new Array(rank - a.dims.length).fill(1), ...a.dims];
  const db = [...new Array(rank - b.dims.length).fill(1), ...b.dims];
  const dims = da.map((d, i) => (d === 1 ? db[i]! : d));
  const sa = strides(da);
  const sb = strides(db);
  const so = strides(dims);
  const out = integer ? new Float64Array(size(dims)) : new Float32Array(size(dims));
  for (let i = 0; i < out.length; i++) {
    let ia = 0;
    let ib = 0;
    for (let k = 0; k < rank; k++) {
      const at = Math.floor(i / so[k]!) % dims[k]!;
      if (da[k] !== 1) ia += at * sa[k]!;
      if (db[k] !== 1) ib += at * sb[k]!;
    }
    out[i] = fn(a.data[ia]!, b.data[ib]!);
  }
  return { dims, data: out, integer };
}

/** Side of the tiles that a matrix is turned in: both ends of a tile stay in the cache. */
const TILE = 32;

function transposeMatrix(c: Constant): Constant {
  const [rows, columns] = c.dims as [number, number];
  const out = c.integer ? new Float64Array(c.data.length) : new Float32Array(c.data.length);
  for (let top = 0; top < rows; top += TILE)
    for (let left = 0; left < columns; left += TILE)
      for (let r = top; r < Math.min(rows, top + TILE); r++)
        for (let k = left; k < Math.min(columns, left + TILE); k++) out[k * rows + r] = c.data[r * columns + k]!;
  return { dims: [columns, rows], data: out, integer: c.integer };
}

export function transposeConstant(c: Constant, permutation: readonly number[]): Constant {
  if (c.dims.length === 2 && permutation.join() === "1,0") return transposeMatrix(c);
  const dims = permutation.map((p) => c.dims[p]!);
  const from = strides(c.dims);
  const to = strides(dims);
  const out = c.integer ? new Float64Array(c.data.length) : new Float32Array(c.data.length);
  for (let i = 0; i < out.length; i++) {
    let at = 0;
    for (let k = 0; k < dims.length; k++) at += (Math.floor(i / to[k]!) % dims[k]!) * from[permutation[k]!]!;
    out[i] = c.data[at]!;
  }
  return { dims, data: out, integer: c.integer };
}

function gather(data: Constant, indices: Constant, axis: number): Constant {
  const outer = size(data.dims.slice(0, axis));
  const inner = size(data.dims.slice(axis + 1));
  const extent = data.dims[axis]!;
  const out: number[] = [];
  for (let o = 0; o < outer; o++)
    for (const raw of indices.data) {
      const at = raw < 0 ? raw + extent : raw;
      for (let i = 0; i < inner; i++) out.push(data.data[(o * extent + at) * inner + i]!);
    }
  return like(data, [...data.dims.slice(0, axis), ...indices.dims, ...data.dims.slice(axis + 1)], out);
}

function sliceConstant(data: Constant, starts: number[], ends: number[], axes: number[], steps: number[]): Constant {
  let current = data;
  axes.forEach((rawAxis, k) => {
    const axis = rawAxis < 0 ? rawAxis + current.dims.length : rawAxis;
    const extent = current.dims[axis]!;
    const step = steps[k] ?? 1;
    const clamp = (v: number, low: number, high: number) => Math.min(Math.max(v < 0 ? v + extent : v, low), high);
    const start = step > 0 ? clamp(starts[k]!, 0, extent) : clamp(starts[k]!, 0, extent - 1);
    const end = step > 0 ? clamp(ends[k]!, 0, extent) : clamp(Math.max(ends[k]!, -extent - 1), -1, extent - 1);
    const picks: number[] = [];
    for (let i = start; step > 0 ? i < end : i > end; i += step) picks.push(i);
    current = gather(current, { dims: [picks.length], data: Float64Array.from(picks), integer: true }, axis);
  });
  return current;
}

function concat(parts: Constant[], axis: number): Constant {
  const first = parts[0]!;
  const at = axis < 0 ? axis + first.dims.length : axis;
  const outer = size(first.dims.slice(0, at));
  const out: number[] = [];
  for (let o = 0; o < outer; o++)
    for (const part of parts) {
      const chunk = size(part.dims.slice(at));
      for (let i = 0; i < chunk; i++) out.push(part.data[o * chunk + i]!);
    }
  const dims = [...first.dims];
  dims[at] = parts.reduce((sum, p) => sum + p.dims[at]!, 0);
  return like(first, dims, out);
}

const unary = (fn: (x: number) => number) => (inputs: Constant[]) => {
  const c = inputs[0]!;
  return like(c, [...c.dims], Array.from(c.data, fn));
};
const binary = (fn: (x: number, y: number) => number) => (inputs: Constant[]) => broadcast(inputs[0]!, inputs[1]!, fn);
const listOf = (c: Constant | undefined): number[] | undefined => (c ? Array.from(c.data) : undefined);

/** Larger results are not made at import: no exporter needs them. */
const MOST_FOLDED = 2 ** 26;

type Fold = (inputs: Constant[], attributes: Attributes) => Constant | undefined;

/** Shape arithmetic and weight preparation that exporters leave in a graph, evaluated at import. */
export const FOLDS: Record<string, Fold> = {
  Identity: (i) => i[0],
  Cast: (i, a) => {
    const to = a.int("to", 1);
    const integer = to !== 1 && to !== 10 && to !== 11;
    const c = i[0]!;
    return {
      dims: [...c.dims],
      integer,
      data: integer ? Float64Array.from(c.data, Math.trunc) : Float32Array.from(c.data),
    };
  },
  Add: binary((x, y) => x + y),
  Sub: binary((x, y) => x - y),
  Mul: binary((x, y) => x * y),
  Div: (i) => broadcast(i[0]!, i[1]!, i[0]!.integer && i[1]!.integer ? (x, y) => Math.trunc(x / y) : (x, y) => x / y),
  Pow: binary((x, y) => x ** y),
  Min: binary(Math.min),
  Max: binary(Math.max),
  Mod: binary((x, y) => x - y * Math.floor(x / y)),
  Equal: (i) => broadcast(i[0]!, i[1]!, (x, y) => (x === y ? 1 : 0), true),
  Where: (i) => {
    const picked = broadcast(i[0]!, i[1]!, (c, x) => (c ? x : Number.NaN), false);
    const merged = broadcast(picked, i[2]!, (p, y) => (Number.isNaN(p) ? y : p), i[1]!.integer);
    return merged;
  },
  Neg: unary((x) => -x),
  Abs: unary(Math.abs),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((x) => 1 / x),
  Floor: unary(Math.floor),
  Ceil: unary(Math.ceil),
  Exp: unary(Math.exp),
  Transpose: (i, a) => {
    const c = i[0]!;
    return transposeConstant(c, a.ints("perm") ?? c.dims.map((_, k) => c.dims.length - 1 - k));
  },
  Reshape: (i) => {
    const c = i[0]!;
    const target = Array.from(i[1]!.data, (d, k) => (d === 0 ? c.dims[k]! : d));
    const hole = target.indexOf(-1);
    if (hole >= 0) target[hole] = c.data.length / -size(target);
    return { ...c, dims: target };
  },
  Flatten: (i, a) => {
    const c = i[0]!;
    const axis = a.int("axis", 1);
    return { ...c, dims: [size(c.dims.slice(0, axis)), size(c.dims.slice(axis))] };
  },
  Unsqueeze: (i, a) => {
    const axes = listOf(i[1]) ?? a.ints("axes") ?? [];
    const rank = i[0]!.dims.length + axes.length;
    const at = new Set(axes.map((x) => (x < 0 ? x + rank : x)));
    const rest = [...i[0]!.dims];
    return { ...i[0]!, dims: Array.from({ length: rank }, (_, k) => (at.has(k) ? 1 : rest.shift()!)) };
  },
  Squeeze: (i, a) => {
    const c = i[0]!;
    const axes = (listOf(i[1]) ?? a.ints("axes"))?.map((x) => (x < 0 ? x + c.dims.length : x));
    return { ...c, dims: c.dims.filter((d, k) => (axes ? !axes.includes(k) : d !== 1)) };
  },
  Gather: (i, a) => gather(i[0]!, i[1]!, (a.int("axis", 0) + i[0]!.dims.length) % i[0]!.dims.length),
  Concat: (i, a) => concat(i, a.int("axis", 0)),
  Slice: (i, a) => {
    const starts = listOf(i[1]) ?? a.ints("starts") ?? [];
    const ends = listOf(i[2]) ?? a.ints("ends") ?? [];
    const axes = listOf(i[3]) ?? a.ints("axes") ?? starts.map((_, k) => k);
    return sliceConstant(i[0]!, starts, ends, axes, listOf(i[4]) ?? []);
  },
  Range: (i) => {
    const [start, limit, step] = i.map((c) => c.data[0]!) as [number, number, number];
    const count = Math.max(0, Math.ceil((limit - start) / step));
    if (!(count <= MOST_FOLDED)) return undefined;
    return like(
      i[0]!,
      [count],
      Array.from({ length: count }, (_, k) => start + k * step),
    );
  },
  ReduceProd: (i) => like(i[0]!, [1], [size(Array.from(i[0]!.data))]),
  Expand: (i) => {
    const dims = Array.from(i[1]!.data);
    const count = size(dims);
    if (!(count <= MOST_FOLDED)) return undefined;
    return broadcast(i[0]!, { dims, data: new Float32Array(count).fill(1), integer: true }, (x) => x, i[0]!.integer);
  },
};
