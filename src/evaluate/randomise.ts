import { randomised, weightedLayers } from "../explain/network/randomised.js";
import { allFinite } from "../explain/onnx/finite.js";
import type { Programs } from "./map-source.js";
import { type Measuring, requestOf } from "./measure.js";
import type { EvaluatedMethod } from "./methods.js";
import { rankCorrelation } from "./metrics/comparison.js";
import { normal } from "./random.js";
import type { Item } from "./worker-messages.js";

/** Stages of a cascade, at most. */
const MAX_STAGES = 5;

/** Layers with weights that are random at each stage, counted from the scores: a fifth of them more each time, at last all. */
export function stageCounts(layers: number): number[] {
  const stages = Math.min(MAX_STAGES, layers);
  return Array.from({ length: stages }, (_, k) => Math.round(((k + 1) * layers) / stages));
}

/** Rank correlation of each image's map with that of the network with random weights, by stage. */
export async function randomise(
  programs: Programs,
  method: EvaluatedMethod,
  items: readonly Item[],
  of: Pick<Measuring, "seed">,
): Promise<number[][]> {
  const { network } = programs.model;
  const mapsOf = async (given: typeof network, variant: number): Promise<Float32Array[]> => {
    const source = await programs.source(method, given);
    try {
      return await source.maps(requestOf(of, items, undefined, variant));
    } finally {
      await source.close();
    }
  };
  const before = await mapsOf(network, 0);
  const correlations: number[][] = [];
  for (const [stage, count] of stageCounts(weightedLayers(network)).entries()) {
    const after = await mapsOf(
      randomised(network, count, (layer) => normal(of.seed, layer)),
      // What is random about a map itself is another one each time.
      100 + stage,
    );
    // Random weights may overflow what a rule without a floor divides.
    correlations.push(before.map((map, k) => (allFinite(after[k]!) ? rankCorrelation(map, after[k]!) : Number.NaN)));
  }
  return correlations;
}
