type Numbers = Float32Array | Float64Array;

/** How far apart neighbours along each axis of an array lie. */
export const strides = (dims: readonly number[]): number[] => {
  const out = new Array<number>(dims.length);
  let step = 1;
  for (let i = dims.length - 1; i >= 0; i--) {
    out[i] = step;
    step *= dims[i]!;
  }
  return out;
};

/**
 * Goes through the elements of a result in order. `visit` is told the place of each, and where it lies in operands whose
 * numbers are `steps` apart along each axis.
 */
export function walk(
  dims: readonly number[],
  steps: readonly (readonly number[])[],
  visit: (i: number, places: readonly number[]) => void,
): void {
  // Axes of one element are nothing to count along, and there may be many.
  const axes = dims.map((_, k) => k).filter((k) => dims[k] !== 1);
  const count = dims.reduce((a, b) => a * b, 1);
  const at = axes.map(() => 0);
  const places = steps.map(() => 0);
  for (let i = 0; i < count; i++) {
    visit(i, places);
    for (let k = axes.length - 1; k >= 0; k--) {
      const axis = axes[k]!;
      const back = ++at[k]! === dims[axis] ? dims[axis]! : 0;
      for (let s = 0; s < steps.length; s++) places[s]! += steps[s]![axis]! * (1 - back);
      if (back === 0) break;
      at[k] = 0;
    }
  }
}

/** Side of the tiles that a matrix is turned in: both ends of a tile stay in the cache. */
const TILE = 32;

function transposeMatrixInto(out: Numbers, data: Numbers, rows: number, columns: number): void {
  for (let top = 0; top < rows; top += TILE)
    for (let left = 0; left < columns; left += TILE)
      for (let r = top; r < Math.min(rows, top + TILE); r++)
        for (let k = left; k < Math.min(columns, left + TILE); k++) out[k * rows + r] = data[r * columns + k]!;
}

/** Writes an array with its axes in another order: axis k becomes what was axis `permutation[k]`. Returns its dims. */
export function transposeInto(
  out: Numbers,
  data: Numbers,
  dims: readonly number[],
  permutation: readonly number[],
): number[] {
  const turned = permutation.map((p) => dims[p]!);
  if (dims.length === 2 && permutation.join() === "1,0") {
    transposeMatrixInto(out, data, dims[0]!, dims[1]!);
    return turned;
  }
  const from = strides(dims);
  const along = permutation.map((p) => from[p]!);
  walk(turned, [along], (i, at) => {
    out[i] = data[at[0]!]!;
  });
  return turned;
}
