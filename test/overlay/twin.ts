import type { Placement } from "../../src/frame.js";

export interface Heat {
  red: number;
  green: number;
  blue: number;
  cover: number;
}

/** The slow, obvious form of the blend: float64, one pixel at a time. `heatAt` gives what lies over a heatmap value. */
export function blendSlowly(
  pixels: Uint8Array,
  width: number,
  height: number,
  heatmap: { columns: number; rows: number; values: Uint8Array },
  placement: Placement,
  heatAt: (level: number) => Heat,
): Float64Array {
  const { rect, clip } = placement;
  const { columns, rows, values } = heatmap;
  const value = (column: number, row: number): number =>
    values[Math.min(rows - 1, Math.max(0, row)) * columns + Math.min(columns - 1, Math.max(0, column))]!;
  const out = Float64Array.from(pixels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const centreX = x + 0.5;
      const centreY = y + 0.5;
      const inside =
        centreX >= clip.x && centreX < clip.x + clip.width && centreY >= clip.y && centreY < clip.y + clip.height;
      if (!inside) continue;
      const u = ((centreX - rect.x) / rect.width) * columns - 0.5;
      const v = ((centreY - rect.y) / rect.height) * rows - 0.5;
      const column = Math.floor(u);
      const row = Math.floor(v);
      const above = value(column, row) * (column + 1 - u) + value(column + 1, row) * (u - column);
      const below = value(column, row + 1) * (column + 1 - u) + value(column + 1, row + 1) * (u - column);
      const heat = heatAt(above * (row + 1 - v) + below * (v - row));
      const at = (y * width + x) * 3;
      [heat.red, heat.green, heat.blue].forEach((colour, c) => {
        out[at + c] = pixels[at + c]! * (1 - heat.cover) + colour * heat.cover;
      });
    }
  }
  return out;
}
