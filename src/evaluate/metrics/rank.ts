/**
 * Relevance rank accuracy (Arras, Osman and Samek 2022; Quantus `RelevanceRankAccuracy`): of the K most relevant pixels, K the size of
 * the mask, the share that lies within it. Where the K-th value stands several times, its pixels count by the share of them that
 * fits, so that their order does not matter.
 */
export function rankAccuracy(map: Float32Array, mask: Uint8Array): number {
  const size = mask.reduce((sum, v) => sum + (v ? 1 : 0), 0);
  if (size === 0) return Number.NaN;
  const least = Float32Array.from(map).sort()[map.length - size]!;
  let [above, hits, ties, tiedHits] = [0, 0, 0, 0];
  for (let k = 0; k < map.length; k++) {
    const inside = mask[k] ? 1 : 0;
    if (map[k]! > least) {
      above++;
      hits += inside;
    } else if (map[k]! === least) {
      ties++;
      tiedHits += inside;
    }
  }
  return (hits + ((size - above) * tiedHits) / ties) / size;
}
