import type { Network } from "../network/network.js";
import { classesOf } from "../network/network.js";
import type { MethodOptions } from "../options.js";
import { inputValues, type Preprocessing } from "../preprocessing.js";
import { emitBounds } from "../program/bounds.js";
import { Emitter, type Value } from "../program/emitter.js";
import type { Program } from "../program/program.js";
import { emitInputRelevance, emitScores, emitShares, isSmooth, type Scores } from "./explanation.js";
import { emitPictures } from "./pictures.js";

export interface SummaryOptions {
  /** Classes listed. */
  top: number;
  grid: { rows: number; columns: number };
  /** Standard deviation of the blur in pixels of the input; 0 for none. */
  blur: number;
}

/** Fractions of the pixels that `concentration` and `peak` look at. */
export const CONCENTRATION_FRACTION = 0.1;
const PEAK_FRACTION = 0.005;
/** Cells along the longer side of the map that regions are found on. */
const COARSE_CELLS = 56;

export const coarseSize = (p: Preprocessing): { rows: number; columns: number } => {
  const longest = Math.max(p.width, p.height);
  const cells = (size: number) => Math.max(1, Math.round((Math.min(COARSE_CELLS, longest) * size) / longest));
  return { rows: cells(p.height), columns: cells(p.width) };
};

/**
 * Frames in, explanation summaries out. Inputs: `frames` uint8 `[N, H, W, 3]` RGB, `scale` float32 `[N]` (0: each
 * frame's own peak). Outputs: `top_index`, `top_probability` `[N, k]`; `target_index`, `target_probability`,
 * `target_logit` `[N]`; and unless `classifyOnly` `positive`, `negative`, `total`, `concentration`, `peak`, `peak_share`,
 * `used_scale` `[N]`, `grid` `[N, rows, columns]`, `coarse` `[N, …]` (smoothed |R| by cells), `heatmap` uint8 `[N, H, W]`.
 */
export function framesProgram(
  network: Network,
  options: MethodOptions,
  p: Preprocessing,
  summary: SummaryOptions,
  classifyOnly: boolean,
): Program {
  const e = new Emitter();
  const channelAxis = p.layout === "NCHW" ? 1 : 3;
  const { scope, scores } = emitScores(e, network, emitPictures(e, p, network), options.target);
  emitClassification(e, scores, Math.min(summary.top, classesOf(network)));
  if (classifyOnly) return e.finish(true);
  const scale = e.input("scale", "float32", [-1]);
  const dims = network.shapes.get(network.input)!;
  const bounds = emitBounds(e, inputValues(p, 0), inputValues(p, 255), dims.length, channelAxis);
  const map = emitInputRelevance(scope, scores, options, bounds, dims.length === 4 && channelAxis === 1);
  const pixels =
    dims.length === 4 ? e.reduce("ReduceSum", map, [channelAxis], false) : e.reshape(map, [-1, p.height, p.width]);
  emitMap(e, pixels, scale, p, summary);
  return e.finish(isSmooth(options.method));
}

function emitClassification(e: Emitter, scores: Scores, top: number): void {
  const [probability, index] = e.many("TopK", [scores.probabilities, e.ints([top])], 2, { axis: { int: 1 } }) as [
    Value,
    Value,
  ];
  e.output(index, "top_index", "int64", [-1, top]);
  e.output(probability, "top_probability", "float32", [-1, top]);
  e.output(scores.target, "target_index", "int64", [-1]);
  const marked = e.cast(scores.oneHot, "bool");
  const pick = (v: Value): Value => e.reduce("ReduceSum", e.where(marked, v, e.number(0)), [1], false);
  e.output(pick(scores.probabilities), "target_probability", "float32", [-1]);
  e.output(pick(scores.logits), "target_logit", "float32", [-1]);
}

function emitMap(e: Emitter, pixels: Value, scale: Value, p: Preprocessing, summary: SummaryOptions): void {
  const { width, height } = p;
  const { shares, total } = emitShares(e, pixels, 3);
  const count = width * height;
  const magnitude = e.abs(shares);
  const each = (v: Value): Value => e.reshape(v, [-1]);
  e.output(each(total), "total", "float32", [-1]);
  const positive = e.reduce("ReduceSum", e.relu(shares), [1, 2], false);
  e.output(positive, "positive", "float32", [-1]);
  e.output(e.sub(e.reduce("ReduceSum", shares, [1, 2], false), positive), "negative", "float32", [-1]);
  e.output(
    e.reduce("ReduceSum", largest(e, magnitude, count, CONCENTRATION_FRACTION), [1], false),
    "concentration",
    "float32",
    [-1],
  );
  e.output(pool(e, shares, height, width, summary.grid.rows, summary.grid.columns), "grid", "float32", [
    -1,
    summary.grid.rows,
    summary.grid.columns,
  ]);

  const smooth = emitBlur(e, shares, p, summary.blur);
  const strength = e.abs(smooth);
  const coarse = coarseSize(p);
  e.output(pool(e, strength, height, width, coarse.rows, coarse.columns), "coarse", "float32", [
    -1,
    coarse.rows,
    coarse.columns,
  ]);
  const strongest = largest(e, strength, count, PEAK_FRACTION);
  const peak = e.op("Neg", [e.reduce("ReduceMax", e.op("Neg", [strongest]), [1], false)]);
  e.output(peak, "peak", "float32", [-1]);
  const all = e.max(e.reduce("ReduceSum", strength, [1, 2], false), e.number(1e-20));
  e.output(e.div(e.reduce("ReduceSum", strongest, [1], false), all), "peak_share", "float32", [-1]);
  const used = e.max(e.where(e.op("Greater", [scale, e.number(0)]), scale, peak), e.number(1e-20));
  e.output(used, "used_scale", "float32", [-1]);
  const steps = e.mul(smooth, e.reshape(e.div(e.number(127), used), [-1, 1, 1]));
  const level = e.op("Clip", [e.add(e.op("Round", [steps]), e.number(128)), e.number(1), e.number(255)]);
  e.output(e.cast(level, "uint8"), "heatmap", "uint8", [-1, height, width]);
}

/** The largest fraction of each frame's values, unsorted, `[N, k]`. */
function largest(e: Emitter, values: Value, count: number, fraction: number): Value {
  const k = Math.max(1, Math.ceil(count * fraction));
  return e.many("TopK", [e.reshape(values, [-1, count]), e.ints([k])], 2, { axis: { int: 1 }, sorted: { int: 0 } })[0]!;
}

/** Sums over cells: each cell takes the part of a row or column that lies in it, so that the sum is kept exactly. */
function pool(e: Emitter, map: Value, height: number, width: number, rows: number, columns: number): Value {
  const left = e.tensor(cells(rows, height), [rows, height]);
  const right = e.transpose(e.tensor(cells(columns, width), [columns, width]), [1, 0]);
  return e.matmul(e.matmul(left, map), right);
}

function cells(count: number, size: number): Float32Array {
  const data = new Float32Array(count * size);
  for (let c = 0; c < count; c++)
    for (let i = 0; i < size; i++)
      data[c * size + i] = Math.max(0, Math.min(i + 1, ((c + 1) * size) / count) - Math.max(i, (c * size) / count));
  return data;
}

/** Gaussian blur that keeps the sum inside the picture: what would leave it at the border is folded back by weights. */
function emitBlur(e: Emitter, map: Value, { width, height }: Preprocessing, sigma: number): Value {
  if (sigma === 0) return map;
  const left = e.tensor(gaussian(height, sigma), [height, height]);
  const right = e.transpose(e.tensor(gaussian(width, sigma), [width, width]), [1, 0]);
  return e.matmul(e.matmul(left, map), right);
}

/** Column `i` spreads pixel i; each column sums to 1. */
function gaussian(size: number, sigma: number): Float32Array {
  const data = new Float32Array(size * size);
  for (let i = 0; i < size; i++) {
    let sum = 0;
    for (let o = 0; o < size; o++)
      sum += Math.abs(o - i) <= 4 * sigma ? Math.exp(-((o - i) ** 2) / (2 * sigma * sigma)) : 0;
    for (let o = 0; o < size; o++)
      if (Math.abs(o - i) <= 4 * sigma) data[o * size + i] = Math.exp(-((o - i) ** 2) / (2 * sigma * sigma)) / sum;
  }
  return data;
}
