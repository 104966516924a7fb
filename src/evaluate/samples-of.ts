import type { EvaluationReport } from "./report.js";

/** On how many images the metrics were taken that are not taken on all, in words. */
export function samplesOf({ metrics, settings }: Pick<EvaluationReport, "metrics" | "settings">): string[] {
  const stability = metrics.flatMap(({ name, group }) => (group === "stability" ? [name] : []));
  const isRandomised = metrics.some(({ name }) => name === "random-weights");
  return [
    ...(stability.length > 0 ? [`${stability.join(" and ")} on ${settings.disturbed} images`] : []),
    ...(isRandomised ? [`random weights on ${settings.randomised} images`] : []),
  ];
}
