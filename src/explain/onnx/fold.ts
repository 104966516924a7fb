import { ElementType } from "../proto/onnx.js";
import { broadcast, broadcastDims, concat, gather, like, room, sliceConstant, transposeConstant } from "./arrays.js";
import { BATCH } from "./batch.js";
import type { Node } from "./importer.js";
import { type Constant, isFloating, MAX_AXES, size, typeOf } from "./tensor.js";

const BOOL = { integer: true, type: ElementType.bool, data: new Float64Array(0) };
/** Types that are counted here; the arithmetic of the others is left to the engine. */
const KNOWN = new Set<number>([ElementType.float, ElementType.double, ElementType.int64, ElementType.int32]);
const exact = (c: Constant): boolean => KNOWN.has(typeOf(c));
/** Integers that leave the range of their type are left to the engine. */
const inRange = (c: Constant | undefined): Constant | undefined => {
  const most = c?.integer ? (typeOf(c) === ElementType.int32 ? 2 ** 31 - 1 : 2 ** 53) : Number.POSITIVE_INFINITY;
  return most === Number.POSITIVE_INFINITY || c?.data.every((v) => Math.abs(v) <= most && Number.isInteger(v))
    ? c
    : undefined;
};

const unary = (fn: (x: number) => number): Fold => ({
  run: ([c]) =>
    c && exact(c)
      ? like(
          c,
          [...c.dims],
          room(c, c.data.length).map((_, k) => fn(c.data[k]!)),
        )
      : undefined,
});
const pair = (run: (a: Constant, b: Constant) => Constant | undefined): Fold => ({
  size: ([a, b]) => size((a && b && broadcastDims(a.dims, b.dims)) ?? [0]),
  run: (inputs) => {
    const [a, b] = inputs;
    const fits = inputs.length === 2 && a && b && typeOf(a) === typeOf(b) && exact(a);
    return fits ? inRange(run(a, b)) : undefined;
  },
});
const binary = (fn: (x: number, y: number) => number): Fold => pair((a, b) => broadcast(a, b, fn));
const compare = (fn: (x: number, y: number) => boolean): Fold =>
  pair((a, b) => broadcast(a, b, (x, y) => (fn(x, y) ? 1 : 0), BOOL));
const listOf = (c: Constant | undefined): number[] | undefined => (c ? Array.from(c.data) : undefined);
const axisIn = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** A reshape copies nothing: the result has the same numbers. */
const view = (dims: (c: Constant, inputs: (Constant | undefined)[], node: Node) => number[] | undefined): Fold => ({
  view: () => true,
  run: ([c, ...rest], node) => {
    const made = c && dims(c, rest, node);
    return made && size(made) === c.data.length && made.length <= MAX_AXES ? { ...c, dims: made } : undefined;
  },
});
export interface Fold {
  /** Elements of the result; without it those of the first input. */
  size?: (inputs: (Constant | undefined)[], node: Node) => number;
  /** Whether the result shares its numbers with the first input: then there is nothing to compute. */
  view?: (c: Constant, node: Node) => boolean;
  /** Undefined where the engine is to say what comes out, or what is wrong. */
  run: (inputs: (Constant | undefined)[], node: Node) => Constant | undefined;
}

/** Shape arithmetic that exporters leave in a graph, where starting an engine for each node would take longer. */
export const FOLDS: Record<string, Fold> = {
  Identity: view((c) => c.dims),
  Cast: {
    // Smaller floats are held as float32.
    view: (c, node) => {
      const to = node.int("to", 1);
      return to === typeOf(c) || (to === ElementType.float && c.data instanceof Float32Array);
    },
    run: ([c], node) => {
      const to = node.int("to", 1);
      if (!c) return undefined;
      const as = { dims: [...c.dims], integer: !isFloating(to), type: to };
      if (to === typeOf(c)) return c;
      if (to === ElementType.float)
        return { ...as, data: c.data instanceof Float32Array ? c.data : Float32Array.from(c.data) };
      if (to === ElementType.double) return { ...as, data: Float64Array.from(c.data) };
      if (to === ElementType.bool) return { ...as, data: Float64Array.from(c.data, (v) => (v === 0 ? 0 : 1)) };
      if (to === ElementType.bfloat16) return { ...as, data: toBfloat(c.data) };
      if (to !== ElementType.int64 && to !== ElementType.int32) return undefined;
      return inRange({ ...as, data: Float64Array.from(c.data, (v) => Math.trunc(v) + 0) });
    },
  },
  Add: binary((x, y) => x + y),
  Sub: binary((x, y) => x - y),
  Mul: binary((x, y) => x * y),
  Div: pair((a, b) => {
    if (!a.integer) return broadcast(a, b, (x, y) => x / y);
    return b.data.includes(0) ? undefined : broadcast(a, b, (x, y) => Math.trunc(x / y) + 0);
  }),
  Pow: binary((x, y) => x ** y),
  Min: binary(Math.min),
  Max: binary(Math.max),
  Equal: compare((x, y) => x === y),
  Less: compare((x, y) => x < y),
  LessOrEqual: compare((x, y) => x <= y),
  Greater: compare((x, y) => x > y),
  GreaterOrEqual: compare((x, y) => x >= y),
  Where: {
    size: ([c, x, y]) => size((c && x && y && broadcastDims(broadcastDims(c.dims, x.dims) ?? [0], y.dims)) ?? [0]),
    run: ([c, x, y]) => {
      if (!c || !x || !y || typeOf(x) !== typeOf(y)) return undefined;
      const dims = broadcastDims(broadcastDims(c.dims, x.dims) ?? [], y.dims);
      if (!dims) return undefined;
      const whole = { ...x, dims, data: room(x, size(dims)) };
      const [picks, yes, no] = [c, x, y].map((from) => broadcast(whole, from, (_, v) => v)?.data);
      if (!picks || !yes || !no) return undefined;
      return { ...whole, data: whole.data.map((_, k) => (picks[k] ? yes[k]! : no[k]!)) };
    },
  },
  Neg: unary((x) => -x),
  Abs: unary(Math.abs),
  Sqrt: unary(Math.sqrt),
  Floor: unary(Math.floor),
  Ceil: unary(Math.ceil),
  Reciprocal: unary((x) => 1 / x),
  Transpose: {
    run: ([c], node) => {
      if (!c) return undefined;
      const order = node.ints("perm") ?? c.dims.map((_, k) => c.dims.length - 1 - k);
      const fits = order.length === c.dims.length && order.toSorted((a, b) => a - b).every((p, k) => p === k);
      return fits ? transposeConstant(c, order) : undefined;
    },
  },
  Reshape: view((c, [shape], node) => {
    const zero = node.int("allowzero", 0) === 0;
    const raw = listOf(shape) ?? node.ints("shape");
    const target = raw?.map((d, k) => (d === 0 && zero ? (c.dims[k] ?? -2) : d));
    const hole = target?.indexOf(-1) ?? -1;
    if (target && hole >= 0) target[hole] = c.data.length / -size(target);
    return target?.every((d) => Number.isInteger(d) && d >= 0) ? target : undefined;
  }),
  Flatten: view((c, _, node) => {
    const axis = axisIn(node.int("axis", 1), c.dims.length);
    return [size(c.dims.slice(0, axis)), size(c.dims.slice(axis))];
  }),
  Unsqueeze: view((c, [given], node) => {
    const axes = listOf(given) ?? node.ints("axes") ?? [];
    const rank = c.dims.length + axes.length;
    const at = new Set(axes.map((x) => axisIn(x, rank)));
    if (rank > MAX_AXES || at.size !== axes.length || [...at].some((x) => !(x >= 0 && x < rank))) return undefined;
    const rest = [...c.dims];
    return Array.from({ length: rank }, (_, k) => (at.has(k) ? 1 : rest.shift()!));
  }),
  Squeeze: view((c, [given], node) => {
    const axes = (listOf(given) ?? node.ints("axes"))?.map((x) => axisIn(x, c.dims.length));
    return c.dims.filter((d, k) => (axes ? !axes.includes(k) : d !== 1));
  }),
  Gather: {
    size: ([data, indices], node) => {
      const extent = data?.dims[axisIn(node.int("axis", 0), data.dims.length)];
      return extent && indices ? (data.data.length / extent) * indices.data.length : 0;
    },
    run: ([data, indices], node) => {
      const axis = data ? axisIn(node.int("axis", 0), data.dims.length) : -1;
      return data?.dims[axis] && indices ? gather(data, indices, axis) : undefined;
    },
  },
  Concat: {
    size: (inputs) => inputs.reduce((sum, c) => sum + (c?.data.length ?? 0), 0),
    run: (inputs, node) => (inputs.every((c) => c !== undefined) ? concat(inputs, node.int("axis", 0)) : undefined),
  },
  Slice: {
    run: ([data, ...given], node) => {
      const [starts, ends, axes, steps] = ["starts", "ends", "axes", "steps"].map(
        (name, k) => listOf(given[k]) ?? node.ints(name),
      );
      if (!data || !starts || !ends) return undefined;
      const lists = {
        starts,
        ends,
        axes: axes ?? starts.map((_, k) => k),
        steps: steps ?? starts.map(() => 1),
      };
      const whole = Object.values(lists).every((l) => l.length === starts.length && l.every(Number.isInteger));
      const once = new Set(lists.axes.map((axis) => axisIn(axis, data.dims.length))).size === starts.length;
      return whole && once && !lists.steps.includes(0) ? sliceConstant(data, lists) : undefined;
    },
  },
  Range: {
    size: ([start, limit, step]) => Math.max(0, Math.ceil((limit!.data[0]! - start!.data[0]!) / step!.data[0]!)) || 0,
    run: (inputs) => {
      const [start, limit, step] = inputs.map((c) => c?.data[0]) as [number, number, number];
      const [first] = inputs;
      if (!first || !exact(first) || !step) return undefined;
      const count = Math.max(0, Math.ceil((limit - start) / step));
      return like(
        first,
        [count],
        room(first, count).map((_, k) => start + k * step),
      );
    },
  },
  Expand: {
    size: ([c, shape]) => size(broadcastDims(c?.dims ?? [], oneFrame(listOf(shape) ?? [])) ?? [0]),
    run: ([c, shape]) => {
      if (!c || !shape) return undefined;
      const dims = oneFrame(Array.from(shape.data));
      const out = broadcast(c, { dims, data: new Float64Array(size(dims)), integer: true }, (x) => x);
      if (shape.data[0] !== BATCH || !out) return out;
      return out.dims[0] === 1 && out.dims.length === dims.length ? { ...out, batched: true } : undefined;
    },
  },
};

/** A shape whose first axis is the batch, for one frame. */
export const oneFrame = (dims: number[]): number[] => dims.map((d, k) => (k === 0 && d === BATCH ? 1 : d));

/** Rounded to the upper half of a float32, ties to even. */
export function toBfloat(data: ArrayLike<number>): Float32Array {
  const out = Float32Array.from(data);
  const bits = new Uint32Array(out.buffer);
  for (let k = 0; k < bits.length; k++) {
    if (Number.isNaN(out[k])) continue;
    const up = 0x7fff + ((bits[k]! >>> 16) & 1);
    bits[k] = ((bits[k]! + up) & 0xffff0000) >>> 0;
  }
  return out;
}
