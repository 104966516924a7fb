import type { RelevanceRegion } from "../explanation.js";

/** Cells at least this strong, relative to the strongest, belong to a region. */
const THRESHOLD = 0.25;
const MAX_REGIONS = 5;

/**
 * Connected areas around the strongest cells of a coarse map of smoothed |R| (row-major, sums to about 1).
 * Boxes are in pixels of a `width` × `height` picture; shares are fractions of the whole map; largest first, at most 5.
 */
export function findRegions(
  map: ArrayLike<number>,
  rows: number,
  columns: number,
  width: number,
  height: number,
): RelevanceRegion[] {
  let strongest = 0;
  let total = 0;
  for (let i = 0; i < rows * columns; i++) {
    strongest = Math.max(strongest, map[i]!);
    total += map[i]!;
  }
  if (!(total > 0)) return [];
  const seen = new Uint8Array(rows * columns);
  const regions: RelevanceRegion[] = [];
  for (let start = 0; start < seen.length; start++) {
    if (seen[start] || map[start]! < strongest * THRESHOLD) continue;
    const area = { left: columns, right: -1, top: rows, bottom: -1, sum: 0 };
    const queue = [start];
    seen[start] = 1;
    while (queue.length > 0) {
      const at = queue.pop()!;
      const [y, x] = [Math.floor(at / columns), at % columns];
      area.left = Math.min(area.left, x);
      area.right = Math.max(area.right, x);
      area.top = Math.min(area.top, y);
      area.bottom = Math.max(area.bottom, y);
      area.sum += map[at]!;
      for (const [ny, nx] of [
        [y - 1, x],
        [y + 1, x],
        [y, x - 1],
        [y, x + 1],
      ] as const) {
        if (ny < 0 || nx < 0 || ny >= rows || nx >= columns) continue;
        const next = ny * columns + nx;
        if (seen[next] || map[next]! < strongest * THRESHOLD) continue;
        seen[next] = 1;
        queue.push(next);
      }
    }
    const [cellWidth, cellHeight] = [width / columns, height / rows];
    regions.push({
      x: area.left * cellWidth,
      y: area.top * cellHeight,
      width: (area.right - area.left + 1) * cellWidth,
      height: (area.bottom - area.top + 1) * cellHeight,
      share: area.sum / total,
    });
  }
  return regions.sort((a, b) => b.share - a.share).slice(0, MAX_REGIONS);
}

/** Centre of a coarse map, in pixels of a `width` × `height` picture; the middle where the map is zero. */
export function centroid(
  map: ArrayLike<number>,
  rows: number,
  columns: number,
  width: number,
  height: number,
): [number, number] {
  let [sum, sx, sy] = [0, 0, 0];
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) {
      const v = map[y * columns + x]!;
      sum += v;
      sx += v * (x + 0.5);
      sy += v * (y + 0.5);
    }
  return sum > 0 ? [((sx / sum) * width) / columns, ((sy / sum) * height) / rows] : [width / 2, height / 2];
}
