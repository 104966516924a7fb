/**
 * The slow, obvious twin of R-LRP: one frame, float64, loops over the edges of each layer, formulas as in the method's
 * description. It shares no code with the production engine.
 */
import {
  type Backward,
  type BackwardOptions,
  descend,
  extreme,
  give,
  type LinearView,
  l1,
  prepare,
  type Rules,
  type Start,
  s,
  sendToBroadcast,
  startAt,
} from "./backward.js";
import { normChannel } from "./elementwise.js";
import type { Forward } from "./forward.js";
import { fullWindow, isNonNegative, isRectified, seenShare } from "./graded.js";
import type { OnnxModel, OnnxNode } from "./onnx-reader.js";
import { affine, NORMS } from "./structure.js";
import { broadcastIndex, type Tensor } from "./tensor.js";

export { l1, s };

export interface TwinOptions extends BackwardOptions {
  /** Default: `r-lrp-graded`. */
  method?: "r-lrp-graded" | "r-lrp-local" | "r-lrp" | "r-lrp-constant" | "r-lrp-absolute";
  /** Default of `r-lrp-graded` and `r-lrp-local`: `box` and `rivals`; of the others `bounded` and `one-hot`. */
  inputRule?: "box" | "bounded" | "contribution" | "flat";
  start?: Start;
}

export interface TwinResult {
  /** Scores before a final softmax or sigmoid. */
  logits: Float64Array;
  target: number;
  /** In the input's layout, Σ|R| = 1; all zero where no relevance flows. */
  relevance: Float64Array;
  flows: boolean;
  /** Σ|R| over the pixels before the last scaling: 1 less what cancelled at forks. */
  l1: number;
  /** The largest Σ_ij|U_ij| / ‖U‖₁ or Σ_ij|a_i w_ij| / ‖z‖₁ of a layer: how much of what it computed cancelled inside it. */
  cancellation: number;
  /** Whether a max pool met two values, or a layer an input and zero, so close that float32 may not tell them apart. */
  fragile: boolean;
}

/** Scales U so that Σ|R_i| is Σ|R_out|. */
function rescale(u: Float64Array, outgoing: number): Float64Array {
  const total = l1(u);
  return total === 0 ? u : u.map((v) => (v * outgoing) / total);
}

/** Explains one frame; `shape` is the model's input shape with batch 1. */
export function twin(
  model: Uint8Array | OnnxModel,
  input: ArrayLike<number>,
  shape: readonly number[],
  options: TwinOptions = {},
): TwinResult {
  const b = prepare(model, input, shape, options);
  const { logits, target } = b;
  const start = startAt(b, options.start ?? (isLocal(options) ? "rivals" : "one-hot"));
  const signed = start.map((v, k) => s(logits[k]!) * v);
  const pixels = descend(b, signed, isLocal(options) ? LOCAL_RULES : RULES);
  const total = l1(pixels);
  const { cancellation, fragile } = b;
  const map = rescale(pixels, total > 0 ? 1 : 0);
  return { logits, target, relevance: map, flows: total > 0, l1: total, cancellation, fragile };
}

type Twin = Backward<TwinOptions>;

const RULES: Rules<TwinOptions> = {
  linear: sendThroughLinear,
  oneToOne: sendThroughOneToOne,
  /** `R_x = R_y · s(x) · s(y) · s(what measures)`; where that is added or taken off, of the sign with which x counts. */
  norm(b, node, { x, by, shift }, r) {
    const { run, structure } = b;
    const output = node.outputs[0]!;
    const y = run.values.get(output)!;
    const [tx, tby] = [x, by].map((name) => run.values.get(name)!) as [Tensor, Tensor];
    const [atX, atBy] = [tx, tby].map(({ dims }) => broadcastIndex(dims, y.dims)) as [Int32Array, Int32Array];
    const sign = (j: number): number => s(tx.data[atX[j]!]!) * s(y.data[j]!) * (shift ?? s(tby.data[atBy[j]!]!));
    const keepsSign = structure.beforeLinear.has(x);
    // Of values that are all alike rounding alone tells what is left without their mean.
    const largest = tx.data.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    if (shift && y.data.some((v) => Math.abs(v) < 1e-5 * largest)) b.fragile = true;
    sendToBroadcast(b, x, output, keepsSign ? r : r.map((v, j) => v * sign(j)));
  },
  /** `R_k = R · s(z) · u_k / Σ_m |u_m|`; 0 where all branches are zero. */
  share(r, z, value, all) {
    const total = all.reduce((sum, u) => sum + Math.abs(u), 0);
    return total === 0 ? 0 : (r * s(z) * value) / total;
  },
  winners: (tied) => tied,
};

const methodOf = ({ method = "r-lrp-graded" }: TwinOptions): NonNullable<TwinOptions["method"]> => method;
const isLocal = (options: TwinOptions): boolean => ["r-lrp-graded", "r-lrp-local"].includes(methodOf(options));

const LOCAL_RULES: Rules<TwinOptions> = {
  ...RULES,
  squares: true,
  /** `R_k = R · max(s(z) u_k, 0) / Σ_m max(s(z) u_m, 0)`; 0 where the sum is 0. */
  share(r, z, value, all) {
    const agreeing = (u: number): number => Math.max(s(z) * u, 0);
    const total = all.reduce((sum, u) => sum + agreeing(u), 0);
    return total === 0 ? 0 : (r * agreeing(value)) / total;
  },
};

function sendThroughLinear(b: Twin, layer: LinearView): void {
  const { name, a, z, r, forEachEdge } = layer;
  const u = new Float64Array(a.length);
  let amount = 0;
  const send: Send = (i, part, size = Math.abs(part)) => {
    u[i]! += part;
    amount += size;
  };
  if (layer.first) inputRule(b, name, forEachEdge, a, z, r, send);
  else linearRule(b, layer, send);
  const largest = a.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  if (a.some((v) => v !== 0 && Math.abs(v) < 1e-7 * largest)) b.fragile = true;
  let forward = 0;
  forEachEdge((i, _j, w) => {
    forward += Math.abs(a[i]! * w);
  });
  if (amount > 0) b.cancellation = Math.max(b.cancellation, amount / l1(u), forward / l1(z));
  give(b, name, rescale(u, l1(r)));
}

/** `size`: what a part is the difference of, where that cancels. */
type Send = (i: number, part: number, size?: number) => void;
type EachEdge = LinearView["forEachEdge"];

function linearRule(b: Twin, layer: LinearView, send: Send): void {
  const { forEachEdge, a, r } = layer;
  const d = divisor(b, layer);
  const opposition = oppositionOf(b, layer);
  forEachEdge((i, j, w) => {
    if (d[j] !== 0) send(i, (a[i]! * (w < 0 ? opposition * w : w) * r[j]!) / d[j]!);
  });
}

/** λ: 1, but of `r-lrp-graded` where no input is negative and the output is rectified, the share of the picture that is seen. */
function oppositionOf({ run, structure, options }: Twin, { node, name, output, mixes }: LinearView): number {
  if (mixes || methodOf(options) !== "r-lrp-graded" || !["Conv", "Gemm", "MatMul"].includes(node.op)) return 1;
  const graded = isNonNegative(run, structure, name) && isRectified(run, structure, output);
  return graded ? seenShare(run, structure, output) : 1;
}

function divisor(b: Twin, { node, forEachEdge, a, z, factor, mixes }: LinearView): Float64Array {
  const method = methodOf(b.options);
  if (method === "r-lrp-constant") return z.map((v) => s(v));
  if (method === "r-lrp-absolute") {
    const total = new Float64Array(z.length);
    forEachEdge((i, j, w) => {
      total[j]! += Math.abs(a[i]! * w);
    });
    return total.map((t, j) => s(z[j]!) * t);
  }
  if (isLocal(b.options) && !mixes && ["Conv", "Gemm", "MatMul"].includes(node.op)) {
    // S_j = ‖w_j‖₁ · mean |a| over what j reads; what a convolution reads beside the picture counts as zeros.
    const [norm, sum, count] = [0, 1, 2].map(() => new Float64Array(z.length)) as Float64Array[];
    forEachEdge((i, j, w) => {
      norm![j]! += Math.abs(w);
      sum![j]! += Math.abs(a[i]!);
      count![j]! += 1;
    });
    const full = node.op === "Conv" ? fullWindow(b.run, node) : undefined;
    const plane = full && z.length / full.norms.length;
    return z.map((v, j) => {
      const n = full ? full.norms[Math.floor(j / plane!)]! * Math.abs(factor[j]!) : norm![j]!;
      return s(v) * (Math.abs(v) + (n * sum![j]!) / (full?.places ?? count![j]!));
    });
  }
  const mean = l1(z) / z.length;
  return z.map((v) => s(v) * (Math.abs(v) + mean));
}

/** The layer that reads the image: no per-neuron division. */
function inputRule(
  b: Twin,
  name: string,
  forEachEdge: EachEdge,
  x: Float64Array,
  z: Float64Array,
  r: Float64Array,
  send: Send,
): void {
  const q = r.map((v, j) => s(z[j]!) * v);
  const rule = b.options.inputRule ?? (isLocal(b.options) ? "box" : "bounded");
  if (rule === "flat") {
    forEachEdge((i, j) => send(i, r[j]!));
  } else if (rule === "contribution") {
    forEachEdge((i, j, w) => send(i, x[i]! * w * q[j]!));
  } else {
    const low = extreme(b, name, b.options.low);
    const high = extreme(b, name, b.options.high);
    if (rule === "box") {
      const distance = distances(b, q.length, forEachEdge, x, low, high);
      q.forEach((v, j) => {
        q[j] = distance[j] === 0 ? 0 : v / distance[j]!;
      });
    }
    forEachEdge((i, j, w) => {
      const [own, rising, falling] = [x[i]! * w, low[i]! * Math.max(w, 0), high[i]! * Math.min(w, 0)];
      const size = Math.abs(own) + Math.abs(rising) + Math.abs(falling);
      send(i, (own - rising - falling) * q[j]!, size * Math.abs(q[j]!));
    });
  }
}

/** `z_j − b_j − Σ l w⁺ − Σ h w⁻`: how far each neuron is from the least that the image's range allows. */
function distances(
  b: Twin,
  count: number,
  forEachEdge: EachEdge,
  x: Float64Array,
  low: Float64Array,
  high: Float64Array,
): Float64Array {
  const [distance, range] = [new Float64Array(count), new Float64Array(count)];
  forEachEdge((i, j, w) => {
    const bound = w > 0 ? low[i]! : high[i]!;
    distance[j]! += (x[i]! - bound) * w;
    range[j]! += Math.abs((high[i]! - low[i]!) * w);
  });
  // So near to its least that rounding alone tells whether a neuron is there.
  if (distance.some((d, j) => Math.abs(d) < 1e-4 * range[j]!)) b.fragile = true;
  return distance;
}

/** `R_x = R_y · s(x) · s(y) · s(slope)`; before the first linear layer `R_x = R_y`. */
function sendThroughOneToOne(b: Twin, node: OnnxNode, source: string, r: Float64Array): void {
  const { run, structure } = b;
  const output = node.outputs[0]!;
  const x = run.values.get(source)!;
  const y = run.values.get(output)!;
  const at = broadcastIndex(x.dims, y.dims);
  const slope = slopeOf(run, node);
  const sign = (j: number): number => s(x.data[at[j]!]!) * s(y.data[j]!) * s(slope(j));
  const keepsSign = structure.beforeLinear.has(source);
  if (NORMS.has(node.op) && keepsSign) b.fragile = true;
  sendToBroadcast(b, source, output, keepsSign ? r : r.map((v, j) => v * sign(j)));
}

/** The factor of a norm or constant scale; activations count as rising. */
function slopeOf(run: Forward, node: OnnxNode): (j: number) => number {
  const step = affine(run, node);
  if (step) return (j) => step.factor[j]!;
  const gamma = NORMS.has(node.op) ? run.values.get(node.inputs[1] ?? "") : undefined;
  if (!gamma) return () => 1;
  const { dims, data } = run.values.get(node.outputs[0]!)!;
  if (node.op !== "LayerNormalization") {
    const plane = data.length / (dims[0]! * dims[1]!);
    return (j) => gamma.data[normChannel(j, plane, dims[1]!, gamma.data.length)]!;
  }
  const at = broadcastIndex(gamma.dims, dims);
  return (j) => gamma.data[at[j]!]!;
}
