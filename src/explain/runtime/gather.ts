import type { NumericTensor } from "../engines/engine.js";
import type { PictureRows } from "../explanation.js";

/** Copies pictures of one size, one after the other, into memory that is used again: `[N, height, width, 3]` of bytes. */
export function gatherer(width: number, height: number): (pictures: readonly PictureRows[]) => NumericTensor {
  const row = 3 * width;
  let pixels = new Uint8Array(height * row);
  return (pictures) => {
    const bytes = pictures.length * height * row;
    if (pixels.length < bytes) pixels = new Uint8Array(bytes);
    let at = 0;
    for (const { memory, offset, stride } of pictures) {
      const slab = new Uint8Array(memory);
      for (let y = 0; y < height; y++, at += row) {
        const from = offset + y * stride;
        pixels.set(slab.subarray(from, from + row), at);
      }
    }
    return { data: pixels.subarray(0, bytes), dims: [pictures.length, height, width, 3] };
  };
}
