import { InputError } from "../../errors.js";
import { emitClassical } from "../backward/classical.js";
import { emitGradientTimesInput } from "../backward/gradient.js";
import { emitRelevance } from "../backward/relevance.js";
import { emitForward } from "../layers/forward.js";
import type { Scope } from "../layers/scope.js";
import { R_LRP_NAMES, type StartName } from "../method-names.js";
import { classesOf, type Network } from "../network/network.js";
import { completed, type MethodOptions } from "../options.js";
import type { InputBounds } from "../program/bounds.js";
import type { Emitter, Value } from "../program/emitter.js";
import { compositeNamed } from "../rules/classical/composites.js";
import { inputRuleNamed, methodNamed } from "../rules/registry.js";
import { TINY } from "../rules/rule.js";

export interface Scores {
  /** `[N, classes]`. */
  logits: Value;
  probabilities: Value;
  /** Index of the explained class, int64 `[N]`. */
  target: Value;
  /** 1 at the explained class, float `[N, classes]`. */
  oneHot: Value;
}

/** Emits the forward pass on `input` and the scores. `target`: as in `MethodOptions`, or a class for each frame, int64 `[N]`. */
export function emitScores(
  e: Emitter,
  network: Network,
  input: Value,
  target: MethodOptions["target"] | { each: Value },
): { scope: Scope; scores: Scores } {
  const classes = classesOf(network);
  if (typeof target === "number" && (!Number.isInteger(target) || target < 0 || target >= classes))
    throw new InputError("target", `target class ${target} does not exist: the model has classes 0 to ${classes - 1}`);
  const scope: Scope = { e, network, values: new Map([[network.input, input]]) };
  emitForward(scope);
  const logits = scope.values.get(network.output)!;
  // One score alone, or a file that ends in a sigmoid, gives independent probabilities.
  const independent = network.final === "sigmoid" || classes === 1;
  const probabilities = independent ? e.op("Sigmoid", [logits]) : e.op("Softmax", [logits], { axis: { int: -1 } });
  const index = emitTarget(e, logits, target);
  const oneHot = e.op("OneHot", [index, e.ints([classes]), e.tensor(Float32Array.of(0, 1), [2])], {
    axis: { int: -1 },
  });
  return { scope, scores: { logits, probabilities, target: index, oneHot } };
}

/** Index of the explained class, int64 `[N]`. */
function emitTarget(e: Emitter, logits: Value, target: MethodOptions["target"] | { each: Value }): Value {
  if (typeof target === "object") return target.each;
  const top = e.op("ArgMax", [logits], { axis: { int: 1 }, keepdims: { int: 0 } });
  return target === "top" ? top : e.add(e.mul(top, e.int(0)), e.int(target));
}

/**
 * `R / s(z)` at the logits. `one-hot`: 1 at the explained class. `contrast`: ½ there and −½ shared by the others as the softmax
 * shares it. `rivals`: 1/N there and `−p_m / N` at the others, `p` the softmax and `N = 1 + Σ_{m≠t} p_m`, unless scores are independent.
 */
function emitStart(e: Emitter, scores: Scores, start: StartName, { final }: Network, classes: number): Value {
  if (start === "one-hot" || classes === 1 || (start === "rivals" && final === "sigmoid")) return scores.oneHot;
  if (start === "rivals") {
    const rivals = e.mul(scores.probabilities, e.sub(e.number(1), scores.oneHot));
    const total = e.add(e.reduce("ReduceSum", rivals, [1]), e.number(1));
    return e.div(e.sub(scores.oneHot, rivals), total);
  }
  const others = e.where(e.cast(scores.oneHot, "bool"), e.number(-3e38), scores.logits);
  return e.mul(e.sub(scores.oneHot, e.op("Softmax", [others], { axis: { int: -1 } })), e.number(0.5));
}

/** Emits the relevance of the network's input, unscaled, dims of that input or (`summed`) one channel of it on axis 1. */
export function emitInputRelevance(
  scope: Scope,
  scores: Scores,
  options: Omit<MethodOptions, "target">,
  bounds: InputBounds,
  summed = false,
): Value {
  const { inputRule, start: startName } = completed({ ...options, target: "top" });
  const start = emitStart(scope.e, scores, startName, scope.network, classesOf(scope.network));
  if (options.method === "gradient-x-input") return emitGradientTimesInput(scope, start);
  const composite = compositeNamed(options.method);
  if (composite) return emitClassical(scope, { composite, start, bounds });
  return emitRelevance(scope, {
    method: methodNamed(options.method),
    inputRule: inputRuleNamed(inputRule),
    start,
    bounds,
    summed,
  });
}

/**
 * What `Program.smooth` says of a program with this method. Most classical rules divide by single sums; none of them, nor
 * gradient × input, is made for speed here, but to be compared with other libraries.
 */
export const isSmooth = (method: MethodOptions["method"]): boolean => givesShares(method) && methodNamed(method).smooth;

/** Whether a method's numbers are shares: Σ|R| = 1. Others stay as they come, so that they compare with other libraries'. */
export const givesShares = (method: MethodOptions["method"]): boolean =>
  (R_LRP_NAMES as readonly string[]).includes(method);

/** Scales a map to Σ|R| = 1 over each frame; an all-zero map stays zero. Also gives `Σ|R|` before, `[N, 1, …]`. */
export function emitShares(e: Emitter, map: Value, rank: number): { shares: Value; total: Value } {
  const axes = Array.from({ length: rank - 1 }, (_, k) => k + 1);
  const peak = e.max(e.reduce("ReduceMax", e.abs(map), axes), e.number(TINY));
  const level = e.div(map, peak);
  // Row by row first: added up in one go, float32 loses the many small pixels beside the few large ones, 5e-4 of the whole.
  const rows = e.reduce("ReduceSum", e.abs(level), [rank - 1]);
  const total = axes.length > 1 ? e.reduce("ReduceSum", rows, axes.slice(0, -1)) : rows;
  return { shares: e.div(level, e.max(total, e.number(TINY))), total };
}
