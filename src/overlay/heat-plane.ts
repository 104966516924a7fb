import type { Rect } from "../frame.js";

/** An 8-bit heatmap, 128 = zero, that covers `rect` of the frame. */
export interface HeatPlane {
  columns: number;
  rows: number;
  values: Uint8Array;
}

/** Where the source samples of `count` evenly spread cells over `size` samples begin, with their shares. */
const cellEdges = (size: number, count: number): number[] =>
  Array.from({ length: count + 1 }, (_, index) => (index * size) / count);

function average(plane: HeatPlane, columns: number, rows: number): HeatPlane {
  const values = new Uint8Array(columns * rows);
  const lefts = cellEdges(plane.columns, columns);
  const tops = cellEdges(plane.rows, rows);
  for (let row = 0; row < rows; row++) {
    const top = tops[row]!;
    const bottom = tops[row + 1]!;
    for (let column = 0; column < columns; column++) {
      const left = lefts[column]!;
      const right = lefts[column + 1]!;
      let sum = 0;
      for (let y = Math.floor(top); y < bottom; y++) {
        const tall = Math.min(y + 1, bottom) - Math.max(y, top);
        for (let x = Math.floor(left); x < right; x++) {
          sum += plane.values[y * plane.columns + x]! * tall * (Math.min(x + 1, right) - Math.max(x, left));
        }
      }
      values[row * columns + column] = Math.round(sum / ((right - left) * (bottom - top)));
    }
  }
  return { columns, rows, values };
}

/** The heatmap averaged down where it is finer than the frame, so that no relevance falls between two frame pixels. */
export function fitPlane(plane: HeatPlane, rect: Rect): HeatPlane {
  const columns = Math.max(1, Math.min(plane.columns, Math.ceil(rect.width)));
  const rows = Math.max(1, Math.min(plane.rows, Math.ceil(rect.height)));
  return columns === plane.columns && rows === plane.rows ? plane : average(plane, columns, rows);
}
