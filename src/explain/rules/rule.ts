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
   * `|d_j|`, broadcastable against the layer's output and above 0 wherever there is relevance; undefined where d is s(z) alone.
   */
  denominator(scope: Scope, layer: DividingLayer, crossing: Crossing): Value | undefined;
  /**
   * λ, how much of what speaks against a neuron is passed on, `U_i = a_i Σ_j (w⁺ + λ w⁻)_ij g_j`, where no input is negative and
   * the output is rectified; elsewhere, and without it, 1.
   * @param seen the share of the picture's side that one element of the layer's output can see
   */
  opposition?(seen: number): number;
  /**
   * Whether only what pulls the same way shares: at a skip connection the branches that have the sum's sign, in each window of
   * a max pool the squares of what is positive. Otherwise shares go by magnitude and to the winner.
   */
  agreeing?: true;
}

/** What a linear layer reads and gives, as far as a method divides by it. */
export interface Crossing {
  /** `|a|`, the layer's input without signs. */
  input: Value;
  /** What may stand for `|z_j|`: it differs only where there is no relevance. */
  output?: Value;
  /** Whether there is no relevance where z is zero. */
  vanishes: boolean;
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
