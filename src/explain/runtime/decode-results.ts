import { VideoExplainerError } from "../../errors.js";
import type { NumericTensor } from "../engines/engine.js";
import type { ClassScore, ExplainInput, Explanation, ModelInfo } from "../explanation.js";
import type { MethodOptions } from "../options.js";
import type { Preprocessing } from "../preprocessing.js";
import { borderShare, densityOf, shareIn, shareWithin } from "../programs/density.js";
import { coarseSize, type SummaryOptions } from "../programs/frames.js";
import { centroid, findRegions } from "../programs/regions.js";

type Outputs = Record<string, NumericTensor>;

/** Outputs of a few numbers a frame that are no numbers where anything behind them is none. */
const NUMBERS = [
  "target_logit",
  "target_probability",
  "top_probability",
  "total",
  "positive",
  "negative",
  "peak",
  "grid",
];

/**
 * What a run of the frames program gave, as one explanation a frame.
 * @param inputs what was run, all to be explained or all only to be classified: then `relevance` is null, whether or not the program gave it
 * @throws VideoExplainerError `not-finite` where a frame overflowed inside of the network: nothing may look like an answer that is none
 */
export type Decoder = (
  out: Outputs,
  inputs: readonly Pick<ExplainInput, "classifyOnly" | "interest" | "mask">[],
) => Explanation[];

export function decoderOf(
  { labels }: Pick<ModelInfo, "labels">,
  preprocessing: Preprocessing,
  { method, grid }: Pick<MethodOptions & SummaryOptions, "method" | "grid">,
): Decoder {
  const { width, height } = preprocessing;
  const coarse = coarseSize(preprocessing);
  const score = (index: number, probability: number): ClassScore => ({
    index,
    label: labels[index] ?? `class ${index}`,
    probability: Math.min(1, Math.max(0, probability)),
  });
  const classification = (out: Outputs, n: number): Pick<Explanation, "top" | "target"> => {
    const at = (name: string, k = n): number => Number(out[name]!.data[k]);
    const count = out.top_index!.dims[1]!;
    return {
      top: Array.from({ length: count }, (_, i) =>
        score(at("top_index", n * count + i), at("top_probability", n * count + i)),
      ),
      target: { ...score(at("target_index"), at("target_probability")), logit: at("target_logit") },
    };
  };
  const relevance = (
    out: Outputs,
    n: number,
    { interest, mask }: Pick<ExplainInput, "interest" | "mask">,
  ): Explanation["relevance"] => {
    const at = (name: string): number => Number(out[name]!.data[n]);
    const part = (name: string, size: number) => (out[name]!.data as Float32Array).subarray(n * size, (n + 1) * size);
    const values = part("coarse", coarse.rows * coarse.columns);
    const map = { values, ...coarse };
    return {
      method,
      positive: at("positive"),
      negative: at("negative"),
      concentration: at("concentration"),
      peakShare: at("peak_share"),
      border: borderShare(map),
      inside: interest && shareIn(map, interest),
      insideMask: mask && shareWithin(map, { inside: mask, width, height }),
      density: densityOf(map),
      centroid: centroid(values, coarse.rows, coarse.columns, width, height),
      grid: { ...grid, values: Array.from(part("grid", grid.rows * grid.columns)) },
      regions: findRegions(values, coarse.rows, coarse.columns, width, height),
      scale: at("used_scale"),
      peak: at("peak"),
      heatmap: (out.heatmap!.data as Uint8Array).slice(n * width * height, (n + 1) * width * height),
    };
  };
  return (out, inputs) => {
    requireNumbers(out);
    return inputs.map((input, n) => ({
      ...classification(out, n),
      relevance: input.classifyOnly ? null : relevance(out, n, input),
    }));
  };
}

function requireNumbers(out: Outputs): void {
  for (const name of NUMBERS)
    for (const value of out[name]?.data ?? [])
      if (!Number.isFinite(Number(value)))
        throw new VideoExplainerError(
          "not-finite",
          `the network's ${name.replaceAll("_", " ")} is ${value}: its weights, or mean and std in its card, are too large for float32; give a network that computes in float32`,
        );
}
