import { packageVersion } from "../version.js";
import type { EvaluatedImage } from "./images.js";
import { shares } from "./metrics/curves.js";
import { METRICS, type MetricName } from "./metrics/names.js";
import type { EvaluationReport, ReportedCase } from "./report.js";
import { type MethodResult, reported } from "./results.js";
import type { Ready } from "./worker-messages.js";

/** An image as it is evaluated: its classes are known, and what it is used for. */
export interface Subject extends EvaluatedImage {
  index: number;
  isDisturbed: boolean;
  /** Place of its first target among the cases. */
  firstCase: number;
}

/** Puts together what was measured. */
export function madeReport(
  { model, stages, engine }: Ready,
  run: Pick<EvaluationReport["settings"], "seed" | "steps" | "limit">,
  { randomised, threads }: { randomised: number; threads: number },
  subjects: readonly Subject[],
  cases: ReportedCase[],
  metrics: readonly MetricName[],
  results: readonly MethodResult[],
  notes: string[],
): EvaluationReport {
  const single = subjects.filter(({ targets }) => targets.length === 1);
  const right = single.filter(({ firstCase }) => {
    const { isGiven, label, decision } = cases[firstCase]!;
    return isGiven && label === decision;
  });
  return {
    evaluation: "video-explainer",
    time: new Date().toISOString(),
    program: packageVersion(),
    ...{ engine, threads },
    model: {
      ...{ name: model.name, sha256: model.sha256 },
      ...{ inputWidth: model.inputWidth, inputHeight: model.inputHeight },
    },
    images: {
      count: subjects.length,
      ofSeveralClasses: subjects.length - single.length,
      withMask: subjects.filter(({ targets }) => targets.some(({ mask }) => mask !== undefined)).length,
      labelled: subjects.filter(({ firstCase }) => cases[firstCase]!.isGiven).length,
      decidedRight: right.length,
    },
    settings: { ...run, disturbed: subjects.filter(({ isDisturbed }) => isDisturbed).length, randomised },
    metrics: metrics.map((name) => ({ ...METRICS[name], name })),
    cascade: stages,
    shares: shares(run.steps),
    ...{ notes, cases },
    methods: results.map((result) => reported(result, results[0]!)),
  };
}
