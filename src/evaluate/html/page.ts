import { escapeMarkup } from "../../escape-markup.js";
import type { Metric, MetricName } from "../metrics/names.js";
import type { EvaluationReport, ReportedMethod, ReportedSample } from "../report.js";
import { samplesOf } from "../samples-of.js";
import { standing } from "../standings.js";
import { curvePlot, dotPlot, legend, type Series } from "./plots.js";
import { STYLE } from "./style.js";

const number = (value: number | null | undefined, digits = 3): string => (value == null ? "–" : value.toFixed(digits));
const arrow = ({ better }: Metric): string => (better === "higher" ? "↑" : "↓");

function metricCell(report: EvaluationReport, method: ReportedMethod, name: MetricName): string {
  const { mean, standardError, count } = method.metrics[name]!;
  const at = standing(report, name);
  const kind = at?.best === method.name ? "best" : at?.tied.includes(method.name) ? "tied" : "";
  const difference = method.difference[name];
  const against =
    difference?.mean == null
      ? ""
      : `; ${number(difference.mean)} ± ${number(difference.standardError)} against ${report.methods[0]!.name}`;
  return `<td class="${kind}" title="${count} values${escapeMarkup(against)}">${number(mean)} <span>± ${number(standardError)}</span></td>`;
}

function table(report: EvaluationReport): string {
  const heads = report.metrics.map(
    (metric) => `<th title="${escapeMarkup(metric.about)}">${escapeMarkup(metric.title)} ${arrow(metric)}</th>`,
  );
  const rows = report.methods.map((method) => {
    const cost = method.cost
      ? `<td>${method.cost.timesForward.toFixed(1)} ×</td><td>${method.cost.ms.toFixed(2)}</td>`
      : "<td>–</td><td>–</td>";
    const cells = report.metrics.map(({ name }) => metricCell(report, method, name)).join("");
    return `<tr><td>${escapeMarkup(method.name)}</td>${cost}${cells}</tr>`;
  });
  return `<div class="scroll"><table><thead><tr><th></th><th>× forward</th><th>ms</th>${heads.join("")}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

const figure = (title: string, about: string, plot: string): string =>
  plot === "" ? "" : `<figure><h3>${escapeMarkup(title)}</h3><p>${escapeMarkup(about)}</p>${plot}</figure>`;

function curves(report: EvaluationReport): string {
  const names = report.metrics.filter(({ group }) => group === "faithfulness");
  const plots = names.map((metric) => {
    const series: Series[] = report.methods.map(({ name, curves: all }) => ({
      name,
      points: (all[metric.name] ?? []).map((y, k) => [report.shares[k]!, y] as const),
    }));
    return figure(
      `${metric.title} ${arrow(metric)}`,
      metric.about,
      curvePlot(metric.title, "share of the pixels", series),
    );
  });
  const all = report.cascade.at(-1) ?? 1;
  const cascade: Series[] = report.methods.map(({ name, randomByStage }) => ({
    name,
    points: [
      [0, 1] as const,
      ...randomByStage.flatMap(({ mean }, k) => (mean === null ? [] : [[report.cascade[k]! / all, mean] as const])),
    ],
  }));
  if (report.metrics.some(({ name }) => name === "random-weights"))
    plots.push(
      figure(
        "random weights, layer by layer ↓",
        "rank correlation with the map before; from the scores down, the layers with random weights",
        curvePlot("random weights", "share of the layers with random weights", cascade),
      ),
    );
  if (plots.every((plot) => plot === "")) return "";
  return `<h2>Curves</h2>${legend(report.methods.map(({ name }) => name))}<div class="plots">${plots.join("")}</div>`;
}

const picture = (jpeg: Uint8Array | undefined, alt: string): string =>
  jpeg && jpeg.length > 0
    ? `<td><img alt="${escapeMarkup(alt)}" src="data:image/jpeg;base64,${Buffer.from(jpeg).toString("base64")}"></td>`
    : "<td></td>";

function maps(report: EvaluationReport, samples: readonly ReportedSample[]): string {
  if (samples.length === 0) return "";
  const heads = ["", "image", ...report.methods.map(({ name }) => name)].map(
    (name) => `<th>${escapeMarkup(name)}</th>`,
  );
  const rows = samples.map(({ image, label, decision, original, maps: all }) => {
    const said = decision === label ? "" : `<br>decided: ${escapeMarkup(decision)}`;
    const name = image.split("/").at(-1)!;
    const cells = all.map((jpeg, k) => picture(jpeg, `${report.methods[k]!.name} of ${name}`)).join("");
    return `<tr><td>${escapeMarkup(label)}<br><span>${escapeMarkup(name)}${said}</span></td>${picture(original, name)}${cells}</tr>`;
  });
  return `<h2>Maps side by side</h2><p>Red raises the score of the class at the left, blue lowers it; each map by its own scale. The mask's outline is green.</p>
<div class="scroll"><table class="maps"><thead><tr>${heads.join("")}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

/** The report as one file: nothing in it is fetched from elsewhere, and nothing in it runs. */
export function reportPage(report: EvaluationReport, samples: readonly ReportedSample[]): string {
  const { model, images, settings } = report;
  const single = images.count - images.ofSeveralClasses;
  const title = `${model.name}: how good its explanations are`;
  const facts = [
    `${images.count} images, ${images.withMask} with masks${images.ofSeveralClasses > 0 ? `, ${images.ofSeveralClasses} of several classes` : ""}`,
    ...(images.labelled > 0 && single > 0 ? [`decided right: ${images.decidedRight} of ${single}`] : []),
    ...samplesOf(report),
    `seed ${settings.seed}`,
  ];
  const plots = report.metrics.map((metric) =>
    figure(`${metric.title} ${arrow(metric)}`, metric.about, dotPlot(report, metric)),
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${escapeMarkup(title)}</title><style>${STYLE}</style></head><body>
<h1>${escapeMarkup(title)}</h1><p>${facts.map(escapeMarkup).join(" · ")}</p>
${report.notes.length > 0 ? `<ul>${report.notes.map((note) => `<li>${escapeMarkup(note)}</li>`).join("")}</ul>` : ""}
<h2>Every number</h2><p>Mean ± standard error. ↑ higher is better, ↓ lower. Bold: the best; green: not to be told from it (paired difference within two standard errors).</p>
${table(report)}
${maps(report, samples)}
<h2>By metric</h2><div class="plots">${plots.join("")}</div>
${curves(report)}
<footer><p>video-explainer ${escapeMarkup(report.program)}, ${escapeMarkup(report.engine)}, ${report.threads} threads, ${escapeMarkup(report.time)}; model ${escapeMarkup(model.sha256)}. Formulas and sources: docs/evaluation.md.</p></footer>
</body></html>
`;
}
