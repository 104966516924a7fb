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

/** Sum of a map. */
function total({ values }: CoarseMap): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum;
}

/** Sum of what lies in a part of a map; looks at that part alone, since each frame is cut into many. */
function sumIn({ values, rows, columns }: CoarseMap, { left, right, top, bottom }: Part): number {
  const [firstX, endX] = [Math.max(0, Math.floor(left * columns)), Math.min(columns, Math.ceil(right * columns))];
  const [firstY, endY] = [Math.max(0, Math.floor(top * rows)), Math.min(rows, Math.ceil(bottom * rows))];
  let sum = 0;
  for (let y = firstY; y < endY; y++) {
    const height = overlap(y, rows, top, bottom);
    for (let x = firstX; x < endX; x++) sum += values[y * columns + x]! * height * overlap(x, columns, left, right);
  }
  return sum;
}

const share = (sum: number, all: number): number => (all > 0 ? Math.min(1, sum / all) : 0);

/** Share of the relevance, whatever its sign, that lies in a part of the picture, 0..1; 0 where no relevance flows. */
export const shareIn = (map: CoarseMap, part: Part): number => share(sumIn(map, part), total(map));

/** A picture's pixels, row-major, 1 for those inside. */
export interface Mask {
  inside: Uint8Array;
  width: number;
  height: number;
}

/** Share of the relevance, whatever its sign, within a mask, 0..1: of each cell what part the mask covers; 0 where no relevance flows. */
export function shareWithin(map: CoarseMap, { inside, width, height }: Mask): number {
  const { values, rows, columns } = map;
  const [across, down] = [overlaps(width, columns), overlaps(height, rows)];
  /** Of one row of pixels: how much of each cell's width the mask covers. */
  const covered = new Float64Array(columns);
  let sum = 0;
  for (let y = 0; y < height; y++) {
    covered.fill(0);
    for (let x = 0; x < width; x++)
      if (inside[y * width + x] === 1) for (const { cell, part } of across[x]!) covered[cell]! += part;
    for (const { cell, part } of down[y]!)
      for (let c = 0; c < columns; c++) sum += part * covered[c]! * values[cell * columns + c]!;
  }
  return share(sum, total(map));
}

/** The cells that each pixel along a side lies in, and how much of each it takes. */
const overlaps = (pixels: number, cells: number): { cell: number; part: number }[][] =>
  Array.from({ length: pixels }, (_, k) => {
    const [from, to] = [k / pixels, (k + 1) / pixels];
    const first = Math.floor(from * cells);
    const end = Math.min(cells, Math.ceil(to * cells));
    return Array.from({ length: end - first }, (_, i) => ({
      cell: first + i,
      part: overlap(first + i, cells, from, to),
    }));
  });

/** Share of the relevance at the border of the picture: 0.14 of a map that is the same everywhere. */
export function borderShare(map: CoarseMap): number {
  const inner = { left: BORDER, right: 1 - BORDER, top: BORDER, bottom: 1 - BORDER };
  const all = total(map);
  return all > 0 ? 1 - share(sumIn(map, inner), all) : 0;
}

/** Where the relevance lies: shares of 8 × 8 cells, row-major, which add up to 1; all 0 where no relevance flows. */
export function densityOf(map: CoarseMap): number[] {
  const all = total(map);
  return Array.from({ length: DENSITY_CELLS ** 2 }, (_, i) => {
    const [row, column] = [Math.floor(i / DENSITY_CELLS), i % DENSITY_CELLS];
    const part = {
      left: column / DENSITY_CELLS,
      right: (column + 1) / DENSITY_CELLS,
      top: row / DENSITY_CELLS,
      bottom: (row + 1) / DENSITY_CELLS,
    };
    return share(sumIn(map, part), all);
  });
}
