import { randomised, weightedLayers } from "../explain/network/randomised.js";
import { allFinite } from "../explain/onnx/finite.js";
import type { MapSource, Programs } from "./map-source.js";
import { type Measuring, requestOf } from "./measure.js";
import type { EvaluatedMethod } from "./methods.js";
import { rankCorrelationWith } from "./metrics/comparison.js";
import { normal } from "./random.js";
import type { Item } from "./worker-messages.js";

/** Stages of a cascade, at most. */
const MAX_STAGES = 5;

/** Layers with weights that are random at each stage, counted from the scores: a fifth of them more each time, at last all. */
export function stageCounts(layers: number): number[] {
  const stages = Math.min(MAX_STAGES, layers);
  return Array.from({ length: stages }, (_, k) => Math.round(((k + 1) * layers) / stages));
}

/**
 * Rank correlation of each image's map with that of the network with random weights, by stage.
 * @param trained the method on the network as it is
 */
export async function randomise(
  programs: Programs,
  method: EvaluatedMethod,
  trained: MapSource,
  items: readonly Item[],
  of: Pick<Measuring, "seed">,
): Promise<number[][]> {
  const { network } = programs.model;
  const before = (await trained.maps(requestOf(of, items))).map(rankCorrelationWith);
  const correlations: number[][] = [];
  for (const [stage, count] of stageCounts(weightedLayers(network)).entries()) {
    const random = await programs.source(
      method,
      randomised(network, count, (layer) => normal(of.seed, layer)),
    );
    try {
      // What is random about a map itself is another one each time.
      const after = await random.maps(requestOf(of, items, undefined, 100 + stage));
      // Random weights may overflow what a rule without a floor divides.
      correlations.push(before.map((correlation, k) => (allFinite(after[k]!) ? correlation(after[k]!) : Number.NaN)));
    } finally {
      await random.close();
    }
  }
  return correlations;
}
