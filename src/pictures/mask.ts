import type { Rect } from "../frame.js";

/**
 * Where a mask is white, 1 a pixel of the model's input: brighter than half of its brightest, within what the picture fills. Undefined
 * where it is black throughout.
 */
export function insideOf(pixels: Uint8Array, filled: Rect, width: number): Uint8Array | undefined {
  const levels = new Uint8Array(pixels.length / 3);
  let most = 0;
  for (let y = filled.y; y < filled.y + filled.height; y++)
    for (let x = filled.x; x < filled.x + filled.width; x++) {
      const k = y * width + x;
      levels[k] = Math.max(pixels[3 * k]!, pixels[3 * k + 1]!, pixels[3 * k + 2]!);
      most = Math.max(most, levels[k]!);
    }
  return most > 0 ? levels.map((level) => (2 * level > most ? 1 : 0)) : undefined;
}
