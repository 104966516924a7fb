import type { Device } from "../engine-names.js";
import type { Runner } from "../engines/engine.js";
import type { ExplainInput, Explanation } from "../explanation.js";
import type { Decoder } from "./decode-results.js";
import type { gatherer } from "./gather.js";

/** Elements of all activations of a run up to which batching pays on a CPU (measured: 5 to 10 % on small networks, nothing beyond). */
const MAX_CACHED_ELEMENTS = 4_000_000;

/**
 * Frames in one run: larger ones gain nothing once their activations leave the cache, and take memory.
 * @param activations elements of all activations of a frame
 */
export const framesPerRun = (device: Device, activations: number): number =>
  device === "cpu" ? Math.max(1, Math.floor(MAX_CACHED_ELEMENTS / activations)) : Number.POSITIVE_INFINITY;

export interface BatchParts {
  explainer: Pick<Runner, "run">;
  /** For frames that are only classified; without it the explainer's program classifies them, at its own cost. */
  classifier?: Pick<Runner, "run">;
  gather: ReturnType<typeof gatherer>;
  decode: Decoder;
  framesPerRun: number;
}

/** Explains batches of any size, frames that are explained and those that are only classified mixed; one result an input, in order. */
export function batchRunner({ explainer, classifier, gather, decode, framesPerRun }: BatchParts) {
  const run = async (batch: readonly ExplainInput[], classifyOnly: boolean): Promise<Explanation[]> => {
    const frames = gather(batch);
    const scale = { data: Float32Array.from(batch, (input) => input.scale), dims: [batch.length] };
    const out = await (classifyOnly && classifier ? classifier.run({ frames }) : explainer.run({ frames, scale }));
    return decode(out, batch);
  };
  return async (batch: readonly ExplainInput[]): Promise<Explanation[]> => {
    const results = new Array<Explanation>(batch.length);
    for (let from = 0; from < batch.length; from += framesPerRun) {
      const part = [...batch.entries()].slice(from, from + framesPerRun);
      for (const classifyOnly of [false, true]) {
        const chosen = part.filter(([, input]) => input.classifyOnly === classifyOnly);
        if (chosen.length === 0) continue;
        const explained = await run(
          chosen.map(([, input]) => input),
          classifyOnly,
        );
        chosen.forEach(([at], n) => {
          results[at] = explained[n]!;
        });
      }
    }
    return results;
  };
}
