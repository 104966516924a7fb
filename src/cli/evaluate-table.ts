import { METRICS, type Metric, type MetricName } from "../evaluate/metrics/names.js";
import type { EvaluationReport, ReportedMethod } from "../evaluate/report.js";
import { samplesOf } from "../evaluate/samples-of.js";
import { standing } from "../evaluate/standings.js";
import { oneLine } from "../log.js";
import { alignedRows } from "./table.js";

const TITLES: Record<Metric["group"], string> = {
  localisation: "Where the relevance lies",
  faithfulness: "What the score depends on",
  sensitivity: "What the map depends on",
  stability: "How steady the map is",
  concentration: "How concentrated the map is",
};

const number = (value: number | null, digits = 3): string => (value === null ? "–" : value.toFixed(digits));

function cell(method: ReportedMethod, name: MetricName, mark: string): string {
  const { mean, standardError } = method.metrics[name]!;
  return `${number(mean)} ± ${number(standardError)}${mark}`;
}

function group(report: EvaluationReport, title: string, names: readonly MetricName[]): string[] {
  const standings = names.map((name) => standing(report, name));
  const rows = report.methods.map((method) => [
    method.name,
    ...names.map((name, k) => {
      const at = standings[k];
      return cell(method, name, at?.best === method.name ? "*" : at?.tied.includes(method.name) ? "~" : " ");
    }),
  ]);
  const heads = names.map((name) => `${METRICS[name].title} ${METRICS[name].better === "higher" ? "↑" : "↓"} `);
  return ["", title, ...alignedRows([["", ...heads], ...rows], (column) => column > 0).map((line) => `  ${line}`)];
}

/** Names of files and classes are anybody's: nothing of them steers the terminal. The columns keep their blanks. */
const plainLine = (line: string): string => `${/^ */.exec(line)![0]}${oneLine(line)}`;

/** The report for people. */
export function evaluationTable(report: EvaluationReport): string {
  const { model, images, settings, methods } = report;
  const several = images.ofSeveralClasses > 0 ? `, ${images.ofSeveralClasses} of them of several classes` : "";
  const single = images.count - images.ofSeveralClasses;
  const right = images.labelled > 0 && single > 0 ? `; decided right: ${images.decidedRight} of ${single}` : "";
  const lines = [
    `${model.name} (${model.inputWidth}x${model.inputHeight}), ${images.count} images${several}, ${images.withMask} with masks${right}`,
    `mean ± standard error; ↑ higher is better, ↓ lower; * the best, ~ not to be told from it (paired difference within two standard errors)`,
  ];
  for (const key of Object.keys(TITLES) as Metric["group"][]) {
    const names = report.metrics.filter((metric) => metric.group === key).map(({ name }) => name);
    if (names.length > 0) lines.push(...group(report, TITLES[key], names));
  }
  const costs = methods.map(({ name, cost }) => [
    name,
    cost ? `${cost.timesForward.toFixed(1)} x` : "–",
    cost ? cost.ms.toFixed(2) : "–",
  ]);
  lines.push(
    "",
    "What it costs, forward pass included",
    ...alignedRows([["", "forward", "ms a frame"], ...costs], (column) => column > 0).map((line) => `  ${line}`),
    "",
    [...samplesOf(report), `seed ${settings.seed}`].join("; "),
    ...report.notes,
  );
  return lines.map((line) => `${plainLine(line)}\n`).join("");
}
