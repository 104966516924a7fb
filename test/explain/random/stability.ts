import { relativeError } from "../twin/golden.js";
import type { RandomNetwork } from "./network.js";
import { noise } from "./writer.js";

/**
 * Whether rounding errors of weights and relevances move a map by more than `tolerance`, so that float32 need not give the
 * one that float64 gives.
 */
export function swings(
  network: RandomNetwork,
  expected: Float64Array,
  tolerance: number,
  explain: (model: Uint8Array, rounding: (v: number) => number) => Float64Array,
): boolean {
  for (let seed = 1; seed <= 24; seed++) {
    const random = noise(seed);
    const nudged = explain(network.nudged(seed), (v) => v * (1 + 1e-6 * random()));
    if (relativeError(nudged, expected) > tolerance || nudged.some((v) => v !== 0) !== expected.some((v) => v !== 0))
      return true;
  }
  return false;
}
