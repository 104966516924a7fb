/** Indices of the pixels, most relevant first; equal ones row by row. */
export const byRelevance = (map: Float32Array): Uint32Array =>
  Uint32Array.from(map, (_, k) => k).sort((a, b) => map[b]! - map[a]! || a - b);

/** Shares of the pixels at the points of a curve, `(k / steps)²` for k from 0 to steps: dense where scores move. */
export const shares = (steps: number): number[] => Array.from({ length: steps + 1 }, (_, k) => (k / steps) ** 2);

/**
 * The pictures between two, 3 bytes a pixel: at each inner point of a curve the most relevant pixels are `to`'s and the others `from`'s.
 * They lie one after the other.
 */
export function blends(from: Uint8Array, to: Uint8Array, order: Uint32Array, steps: number): Uint8Array {
  const size = from.length;
  const counts = shares(steps).map((share) => Math.round(share * order.length));
  const out = new Uint8Array(size * (steps - 1));
  let [current, at] = [from, 0];
  for (let k = 1; k < steps; k++) {
    const picture = out.subarray((k - 1) * size, k * size);
    picture.set(current);
    for (; at < counts[k]!; at++) {
      const pixel = 3 * order[at]!;
      for (let c = pixel; c < pixel + 3; c++) picture[c] = to[c]!;
    }
    current = picture;
  }
  return out;
}

/** Area under a curve over the shares of the pixels, by the trapezoidal rule. */
export function areaUnder(curve: readonly number[]): number {
  const x = shares(curve.length - 1);
  let area = 0;
  for (let k = 1; k < curve.length; k++) area += ((curve[k]! + curve[k - 1]!) / 2) * (x[k]! - x[k - 1]!);
  return area;
}
