/**
 * The slow, obvious twin of the classical rules, as zennit 0.5 defines them: one frame, float64, loops over the edges of each
 * layer, signed relevance from a one-hot start, nothing rescaled. It shares no code with the production engine.
 */
import {
  type Backward,
  type BackwardOptions,
  descend,
  extreme,
  give,
  type LinearView,
  prepare,
  type Rules,
  type Start,
  s,
  sendToBroadcast,
  startAt,
} from "./backward.js";
import type { OnnxModel } from "./onnx-reader.js";

export type ClassicalMethod = keyof typeof COMPOSITES;
export interface ClassicalTwinOptions extends BackwardOptions {
  method: ClassicalMethod;
  /** `contrast` without the signs of the scores, as `one-hot` has none here. */
  start?: Start;
}

export interface ClassicalTwinResult {
  /** Scores before a final softmax or sigmoid. */
  logits: Float64Array;
  target: number;
  /** In the input's layout, as it comes. */
  relevance: Float64Array;
  /** The largest Σ_i|n_ij| / |Σ_i n_ij| of a neuron that relevance passes: how near to zero a divisor came. */
  cancellation: number;
  /** Whether a max pool met two values so close that float32 may not tell them apart. */
  fragile: boolean;
}

/** Explains one frame; `shape` is the model's input shape with batch 1. */
export function classicalTwin(
  model: Uint8Array | OnnxModel,
  input: ArrayLike<number>,
  shape: readonly number[],
  options: ClassicalTwinOptions,
): ClassicalTwinResult {
  const b = prepare(model, input, shape, options);
  const relevance = descend(b, startAt(b, options.start ?? "one-hot"), RULES);
  const { logits, target, cancellation, fragile } = b;
  return { logits, target, relevance, cancellation, fragile };
}

/** What float32 may lose of a map: of a divisor that is `1/c` of its summands, about c units of the last place. */
export const roundingOf = ({ cancellation }: Pick<ClassicalTwinResult, "cancellation">): number =>
  cancellation * 2 ** -22;

const STABILIZER = 1e-6;
const GAMMA = 0.25;

/** `d + ε s(d)`. */
const stabilized = (d: number): number => d + STABILIZER * s(d);

type Twin = Backward<ClassicalTwinOptions>;

const RULES: Rules<ClassicalTwinOptions> = {
  linear(b, layer) {
    const rule = layer.mixes ? epsilon : ruleAt(b, layer);
    const u = new Float64Array(layer.a.length);
    rule(
      layer,
      (i, part) => {
        u[i]! += part;
      },
      b,
    );
    give(b, layer.name, u);
  },
  oneToOne: (b, node, source, r) => sendToBroadcast(b, source, node.outputs[0]!, r),
  norm: (b, node, { x }, r) => sendToBroadcast(b, x, node.outputs[0]!, r),
  /** A sum shares by contribution: `R_k = u_k R / (z + ε s(z))`. */
  share: (r, z, value) => (value * r) / stabilized(z),
  winners: (tied) => tied.slice(0, 1),
};

type Send = (i: number, part: number) => void;
type Rule = (layer: LinearView, send: Send, b: Twin) => void;

/** `R_i = Σ_j n_ij R_j / (Σ_i n_ij + m_j)`, where the numerators `n` and what the bias adds, `m`, make the rule. */
function divide(
  b: Twin,
  { z, r, forEachEdge }: LinearView,
  numerator: (i: number, j: number, w: number) => number,
  ofBias: (j: number) => number,
  send: Send,
  guarded: (d: number, j: number) => number = stabilized,
  /** What a numerator is the difference of: its own cancelling loses digits too. */
  size: (i: number, j: number, w: number) => number = (i, j, w) => Math.abs(numerator(i, j, w)),
): void {
  const d = z.map((_, j) => ofBias(j));
  const magnitude = d.map(Math.abs);
  forEachEdge((i, j, w) => {
    const n = numerator(i, j, w);
    d[j]! += n;
    magnitude[j]! += size(i, j, w);
  });
  forEachEdge((i, j, w) => {
    const n = numerator(i, j, w);
    if (n !== 0 && r[j] !== 0) send(i, (n * r[j]!) / guarded(d[j]!, j));
  });
  // Not by what it is guarded with: of a sum that is nearly zero rounding decides the sign, too.
  d.forEach((v, j) => {
    if (r[j] !== 0 && magnitude[j]! > 0) b.cancellation = Math.max(b.cancellation, magnitude[j]! / Math.abs(v));
  });
}

/** The bias of each output: what is left of `z_j = Σ_i a_i w_ij + b_j`. */
function biases({ a, z, forEachEdge }: LinearView): Float64Array {
  const left = Float64Array.from(z);
  forEachEdge((i, j, w) => {
    left[j]! -= a[i]! * w;
  });
  return left;
}

/** A value, and that much of its positive or negative part on top. */
const favouring = (c: number, sign: number): number => (c * sign > 0 ? c + GAMMA * c : c);
const above = (c: number): number => Math.max(c, 0);
const below = (c: number): number => Math.min(c, 0);

/** `n = a w`, divided by z as it is; a z of zero passes nothing. */
const lrp0: Rule = (layer, send, b) => {
  const { a, z } = layer;
  const bias = biases(layer);
  const part = (i: number, _j: number, w: number): number => a[i]! * w;
  divide(
    b,
    layer,
    part,
    (j) => bias[j]!,
    send,
    (d, j) => (z[j] === 0 ? Number.POSITIVE_INFINITY : d),
  );
};

/** `n = a w`. */
const epsilon: Rule = (layer, send, b) => {
  const bias = biases(layer);
  divide(
    b,
    layer,
    (i, _j, w) => layer.a[i]! * w,
    (j) => bias[j]!,
    send,
  );
};

/** `n = a w + γ (a w)⁺` where `z > 0`, `a w + γ (a w)⁻` where `z < 0`, nothing where it is zero. */
const gamma: Rule = (layer, send, b) => {
  const { a, z } = layer;
  const bias = biases(layer);
  const of = (c: number, j: number): number => (z[j] === 0 ? 0 : favouring(c, z[j]!));
  divide(
    b,
    layer,
    (i, j, w) => of(a[i]! * w, j),
    (j) => of(bias[j]!, j),
    send,
  );
};

/** `α` times the share of the positive parts, less `β` times that of the negative ones. */
const alphaBeta =
  (alpha: number, beta: number): Rule =>
  (layer, send, b) => {
    const bias = biases(layer);
    const shareOf = (part: (c: number) => number, times: number): void =>
      divide(
        b,
        layer,
        (i, _j, w) => part(layer.a[i]! * w),
        (j) => part(bias[j]!),
        (i, v) => send(i, times * v),
      );
    shareOf(above, alpha);
    if (beta > 0) shareOf(below, -beta);
  };

/** `n = 1`: equal shares for the inputs in a window. */
const flat: Rule = (layer, send, b) =>
  divide(
    b,
    layer,
    () => 1,
    () => 0,
    send,
  );

/** `n = w²`. */
const wSquare: Rule = (layer, send, b) => {
  const bias = biases(layer);
  divide(
    b,
    layer,
    (_i, _j, w) => w * w,
    (j) => bias[j]! ** 2,
    send,
  );
};

/** z^B: `n = x w − l w⁺ − h w⁻`. */
const box: Rule = (layer, send, b) => {
  const low = extreme(b, layer.name, b.options.low);
  const high = extreme(b, layer.name, b.options.high);
  const part = (i: number, _j: number, w: number): number => layer.a[i]! * w - low[i]! * above(w) - high[i]! * below(w);
  const size = (i: number, _j: number, w: number): number =>
    Math.abs(layer.a[i]! * w) + Math.abs(low[i]! * above(w)) + Math.abs(high[i]! * below(w));
  divide(b, layer, part, () => 0, send, stabilized, size);
};

interface Composite {
  conv: Rule;
  dense: Rule;
  /** Of the layer that reads the image, where it has its own. */
  firstConv?: Rule;
  firstDense?: Rule;
}
const everywhere = (rule: Rule): Composite => ({ conv: rule, dense: rule });

const COMPOSITES = {
  "lrp-0": everywhere(lrp0),
  epsilon: everywhere(epsilon),
  gamma: everywhere(gamma),
  "z-plus": everywhere(alphaBeta(1, 0)),
  "alpha1-beta0": everywhere(alphaBeta(1, 0)),
  "alpha2-beta1": everywhere(alphaBeta(2, 1)),
  flat: everywhere(flat),
  "w-square": everywhere(wSquare),
  "epsilon-plus-flat": { conv: alphaBeta(1, 0), dense: epsilon, firstConv: flat, firstDense: flat },
  "epsilon-gamma-box": { conv: gamma, dense: epsilon, firstConv: box },
  "epsilon-alpha2-beta1-flat": { conv: alphaBeta(2, 1), dense: epsilon, firstConv: flat, firstDense: flat },
} satisfies Record<string, Composite>;

export const CLASSICAL_METHODS = Object.keys(COMPOSITES) as ClassicalMethod[];

/** Averages, sums and interpolations have no weights of their own: they share by contribution. */
function ruleAt(b: Twin, { node, first }: LinearView): Rule {
  const composite: Composite = COMPOSITES[b.options.method];
  if (node.op === "Conv" || node.op === "ConvTranspose") return (first && composite.firstConv) || composite.conv;
  if (node.op === "Gemm" || node.op === "MatMul") return (first && composite.firstDense) || composite.dense;
  return epsilon;
}
