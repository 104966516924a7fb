/**
 * Relevance mass accuracy (Arras, Osman and Samek 2022; Quantus `RelevanceMassAccuracy`) of the positive part of a map: the share of
 * it that lies within the mask, `Σ_mask R⁺ / Σ R⁺`. 0 where nothing is positive.
 */
export function massAccuracy(map: Float32Array, mask: Uint8Array): number {
  let [within, total] = [0, 0];
  for (let k = 0; k < map.length; k++) {
    const v = Math.max(0, map[k]!);
    total += v;
    if (mask[k]) within += v;
  }
  return total > 0 ? within / total : 0;
}
