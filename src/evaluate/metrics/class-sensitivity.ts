/** Positive relevance a pixel of a mask. */
function density(map: Float32Array, mask: Uint8Array): number {
  let [sum, count] = [0, 0];
  for (let k = 0; k < map.length; k++)
    if (mask[k]) {
      sum += Math.max(0, map[k]!);
      count++;
    }
  return count > 0 ? sum / count : 0;
}

/**
 * Whether the map of a class prefers that class's own mask: 1 where the positive relevance a pixel within it is larger than within
 * each of the others, ½ where none is larger, else 0.
 */
export function prefersOwn(map: Float32Array, own: Uint8Array, others: readonly Uint8Array[]): number {
  const mine = density(map, own);
  const best = Math.max(...others.map((mask) => density(map, mask)));
  return mine > best ? 1 : mine === best ? 0.5 : 0;
}
