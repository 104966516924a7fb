import type { MetricName } from "./metrics/names.js";
import type { EvaluationReport, Standing } from "./report.js";
import { pairedDifference } from "./statistics.js";

/** Differences within so many standard errors are none. */
const TOLD_APART = 2;

/** Who is best at a metric, and who cannot be told from it; undefined where nobody was measured. */
export function standing(
  report: Pick<EvaluationReport, "metrics" | "methods">,
  name: MetricName,
): Standing | undefined {
  const sign = report.metrics.find((metric) => metric.name === name)!.better === "higher" ? 1 : -1;
  const measured = report.methods.filter((method) => method.metrics[name]?.mean != null);
  const [best] = measured.toSorted((a, b) => sign * (b.metrics[name]!.mean! - a.metrics[name]!.mean!));
  if (!best) return undefined;
  const tied = measured.filter((method) => {
    if (method === best) return false;
    const { mean, standardError } = pairedDifference(best.values[name]!, method.values[name]!);
    return mean !== null && Math.abs(mean) <= TOLD_APART * (standardError ?? 0);
  });
  return { best: best.name, tied: tied.map((method) => method.name) };
}
