import type { DividingLayer, WeightedLayer } from "../layers/linear.js";
import type { Scope } from "../layers/scope.js";
import type { InputBounds } from "../program/bounds.js";
import type { Emitter, Value } from "../program/emitter.js";

/**
 * How a method divides at a linear layer. Given `p = |R_j|` with the sign of `z_j` taken out (`R_j = s(z_j) p_j`), emits
 * `g_j = R_j / d_j`; the layer then gives `U_i = a_i Σ_j w_ij g_j`. Derivation: docs/method.md, "The method", "Its relatives".
 */
export interface LinearRule {
  name: string;
  /** Whether `|d_j|` is at least as large as is usual in its layer, or 1: `Program.smooth` then holds. */
  smooth: boolean;
  /**
   * `|d_j|`, broadcastable against the layer's output; undefined where d is s(z) alone.
   * @param magnitude what may stand for `|z_j|`: it differs only where there is no relevance
   */
  denominator(scope: Scope, layer: DividingLayer, magnitude?: Value): Value | undefined;
}

/** How the layer that reads the picture gives relevance to its input: emits `U_i` from `Q_j = s(z_j) R_j`. Derivation: docs/method.md, "Input layer". */
export interface InputRule {
  name: string;
  /** @param summed whether the sum over the channels of axis 1 will do, dims `[N, 1, H, W]`; a rule may give all the same */
  emit(scope: Scope, layer: WeightedLayer, q: Value, bounds: InputBounds, summed?: boolean): Value;
}

/** Smallest positive normal float32: turns 0/0 into 0 where a numerator can be no larger than its divisor. */
export const TINY = 1.2e-38;
/** A divisor below this counts as zero: dividing by it would overflow float32 sooner or later. */
export const NEGLIGIBLE = 1e-20;

/** A divisor of which R/0 counts as 0: in place of zero it is so large that nothing is left. */
export const divisor = (e: Emitter, value: Value): Value =>
  e.where(e.op("Greater", [value, e.number(NEGLIGIBLE)]), value, e.number(3e38));
