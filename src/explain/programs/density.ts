/** Cells of a density, along each side. */
export const DENSITY_CELLS = 8;
/** Of the picture's width and height, what lies at its border. */
const BORDER = 1 / 28;

/** A map of smoothed |R|, row-major. */
export interface CoarseMap {
  values: ArrayLike<number>;
  rows: number;
  columns: number;
}

/** A part of a picture, as shares of its width and height. */
export interface Part {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** How much of cell `i` of `count` lies between two shares of the whole. */
const overlap = (i: number, count: number, from: number, to: number): number =>
  Math.max(0, Math.min(i + 1, to * count) - Math.max(i, from * count));

/** Share of the relevance, whatever its sign, that lies in a part of the picture, 0..1; 0 where no relevance flows. */
export function shareIn({ values, rows, columns }: CoarseMap, { left, right, top, bottom }: Part): number {
  let [inside, all] = [0, 0];
  for (let y = 0; y < rows; y++) {
    const height = overlap(y, rows, top, bottom);
    for (let x = 0; x < columns; x++) {
      const value = values[y * columns + x]!;
      all += value;
      if (height > 0) inside += value * height * overlap(x, columns, left, right);
    }
  }
  return all > 0 ? Math.min(1, inside / all) : 0;
}

/** Share of the relevance at the border of the picture: 0.14 of a map that is the same everywhere. */
export function borderShare(map: CoarseMap): number {
  const [inner, all] = [
    shareIn(map, { left: BORDER, right: 1 - BORDER, top: BORDER, bottom: 1 - BORDER }),
    shareIn(map, { left: 0, right: 1, top: 0, bottom: 1 }),
  ];
  return Math.max(0, all - inner);
}

/** Where the relevance lies: shares of 8 × 8 cells, row-major, which add up to 1; all 0 where no relevance flows. */
export const densityOf = (map: CoarseMap): number[] =>
  Array.from({ length: DENSITY_CELLS ** 2 }, (_, i) => {
    const [row, column] = [Math.floor(i / DENSITY_CELLS), i % DENSITY_CELLS];
    return shareIn(map, {
      left: column / DENSITY_CELLS,
      right: (column + 1) / DENSITY_CELLS,
      top: row / DENSITY_CELLS,
      bottom: (row + 1) / DENSITY_CELLS,
    });
  });
