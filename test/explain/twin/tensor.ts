/** A dense array in C order. Integers and booleans are held as numbers too. */
export interface Tensor {
  dims: number[];
  data: Float64Array;
}

export const sizeOf = (dims: readonly number[]): number => dims.reduce((product, n) => product * n, 1);

export const tensor = (dims: readonly number[], values?: ArrayLike<number>): Tensor => ({
  dims: [...dims],
  data: values ? Float64Array.from(values) : new Float64Array(sizeOf(dims)),
});

/** Elements to skip for one step along each axis. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length).fill(1);
  for (let axis = dims.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * dims[axis + 1]!;
  return strides;
}

/** Calls `visit(index, flat)` for every element in C order; `index` is reused between calls. */
export function forEachIndex(dims: readonly number[], visit: (index: number[], flat: number) => void): void {
  const index = new Array<number>(dims.length).fill(0);
  const size = sizeOf(dims);
  for (let flat = 0; flat < size; flat++) {
    visit(index, flat);
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      index[axis]!++;
      if (index[axis]! < dims[axis]!) break;
      index[axis] = 0;
    }
  }
}

/** numpy's broadcasting of several shapes. */
export function broadcastDims(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((s) => s.length));
  const dims = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    shape.forEach((n, k) => {
      const axis = rank - shape.length + k;
      if (n === 1) return;
      if (dims[axis] !== 1 && dims[axis] !== n) throw new Error(`shapes ${JSON.stringify(shapes)} do not broadcast`);
      dims[axis] = n;
    });
  }
  return dims;
}

/** For every element of `to`, the flat index of the element of `from` that broadcasting puts there. */
export function broadcastIndex(from: readonly number[], to: readonly number[]): Int32Array {
  const strides = stridesOf(from);
  const shift = to.length - from.length;
  const source = new Int32Array(sizeOf(to));
  forEachIndex(to, (index, flat) => {
    let at = 0;
    for (let axis = 0; axis < from.length; axis++) if (from[axis]! > 1) at += index[axis + shift]! * strides[axis]!;
    source[flat] = at;
  });
  return source;
}

export const normaliseAxis = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
