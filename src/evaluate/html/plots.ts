import { escapeMarkup } from "../../escape-markup.js";
import type { Metric, MetricName } from "../metrics/names.js";
import type { EvaluationReport } from "../report.js";
import { standing } from "../standings.js";

const ROW = 22;
const LEFT = 250;
const WIDTH = 720;
const AXIS = 24;

const svg = (width: number, height: number, title: string, body: string): string =>
  `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeMarkup(title)}">${body}</svg>`;

const text = (x: number, y: number, words: string, more = ""): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escapeMarkup(words)}</text>`;
const line = (x1: number, y1: number, x2: number, y2: number, kind: string): string =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" class="${kind}"/>`;

/** Round numbers over a range, some four of them. */
function ticks(low: number, high: number): number[] {
  const raw = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw)!;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, k) => (first + k) * step);
}

const shortNumber = (v: number): string => String(Number(v.toPrecision(3)));

/** Means of a metric with a bar of one standard error to each side, a row a method. */
export function dotPlot(report: EvaluationReport, metric: Metric & { name: MetricName }): string {
  const rows = report.methods.map(({ name, metrics }) => ({ name, ...metrics[metric.name]! }));
  const measured = rows.filter(({ mean }) => mean !== null);
  if (measured.length === 0) return "";
  const ends = measured.flatMap(({ mean, standardError }) => [
    mean! - (standardError ?? 0),
    mean! + (standardError ?? 0),
  ]);
  const [least, most] = [Math.min(0, ...ends), Math.max(...ends, 1e-9)];
  const x = (v: number): number => LEFT + 10 + ((v - least) / (most - least)) * (WIDTH - LEFT - 70);
  const height = rows.length * ROW + AXIS;
  const at = standing(report, metric.name);
  const body = [
    ...ticks(least, most).flatMap((v) => [
      line(x(v), 0, x(v), height - AXIS, "grid"),
      text(x(v), height - 7, shortNumber(v), 'text-anchor="middle" class="small"'),
    ]),
    ...rows.map(({ name, mean, standardError }, k) => {
      const y = k * ROW + ROW / 2;
      const kind = at?.best === name ? "best" : at?.tied.includes(name) ? "tied" : "other";
      const label = text(LEFT, y + 4, name, `text-anchor="end" class="${kind === "other" ? "" : "strong"}"`);
      if (mean === null) return label;
      const error = standardError ?? 0;
      return [
        label,
        line(x(mean - error), y, x(mean + error), y, "error"),
        `<circle cx="${x(mean).toFixed(1)}" cy="${y}" r="4.5" class="${kind}"/>`,
        text(x(mean + error) + 9, y + 4, mean.toFixed(3), 'class="small"'),
      ].join("");
    }),
  ].join("");
  return svg(WIDTH, height, `${metric.title} by method`, body);
}

const PLOT = { width: 720, height: 300, left: 44, right: 10, top: 10, bottom: 34 } as const;

export interface Series {
  name: string;
  points: readonly (readonly [x: number, y: number])[];
}

/** Curves over a share from 0 to 1, each in a colour of its place. */
export function curvePlot(title: string, across: string, series: readonly Series[]): string {
  const { width, height, left, right, top, bottom } = PLOT;
  const all = series.flatMap(({ points }) => points.map(([, y]) => y));
  if (all.length === 0) return "";
  const [least, most] = [Math.min(0, ...all), Math.max(...all, 0.01)];
  const px = (v: number): number => left + v * (width - left - right);
  const py = (v: number): number => top + (1 - (v - least) / (most - least)) * (height - top - bottom);
  const body = [
    ...ticks(least, most).flatMap((v) => [
      line(left, py(v), width - right, py(v), "grid"),
      text(left - 6, py(v) + 4, shortNumber(v), 'text-anchor="end" class="small"'),
    ]),
    ...ticks(0, 1).map((v) => text(px(v), height - 18, shortNumber(v), 'text-anchor="middle" class="small"')),
    text((left + width - right) / 2, height - 3, across, 'text-anchor="middle" class="small"'),
    ...series.map(({ name, points }, k) => {
      const path = points.map(([a, b]) => `${px(a).toFixed(1)},${py(b).toFixed(1)}`).join(" ");
      return `<polyline points="${path}" class="curve" style="stroke:${colour(k)}" ${dash(k)}><title>${escapeMarkup(name)}</title></polyline>`;
    }),
  ].join("");
  return svg(width, height, title, body);
}

/** The eight colours of Okabe and Ito, told apart by the colour-blind, without the black and with one more; then dashed. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#b8a800", "#8a8a8a"];
const colour = (k: number): string => COLOURS[k % COLOURS.length]!;
const DASHES = ["", "7 4", "2 3", "10 3 2 3"];
const dash = (k: number): string => {
  const pattern = DASHES[Math.floor(k / COLOURS.length) % DASHES.length];
  return pattern ? `stroke-dasharray="${pattern}"` : "";
};

/** Names beside the strokes of their curves. */
export const legend = (names: readonly string[]): string =>
  `<ul class="legend">${names
    .map(
      (name, k) =>
        `<li><svg viewBox="0 0 30 10" aria-hidden="true"><line x1="0" y1="5" x2="30" y2="5" class="curve" style="stroke:${colour(k)}" ${dash(k)}/></svg>${escapeMarkup(name)}</li>`,
    )
    .join("")}</ul>`;
