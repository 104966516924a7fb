/**
 * Pointing game (Zhang et al. 2018; Quantus `PointingGame`, without tolerance): 1 where the most relevant pixel, or one of several,
 * lies within the mask. A map without a positive value points nowhere: 0.
 */
export function pointingGame(map: Float32Array, mask: Uint8Array): number {
  let most = 0;
  for (const v of map) if (v > most) most = v;
  return most > 0 && map.some((v, k) => v === most && mask[k]) ? 1 : 0;
}
