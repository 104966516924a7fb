import type { LinearLayer, WeightedLayer } from "../layers/linear.js";
import type { Scope } from "../layers/scope.js";
import type { Value } from "../program/emitter.js";

/**
 * How a method divides at a linear layer. Given `p = |R_j|` with the sign of `z_j` taken out (`R_j = s(z_j) p_j`), emits
 * `g_j = R_j / d_j`; the layer then gives `U_i = a_i Σ_j w_ij g_j`. Sources: r-lrp.md, "The method", "Its relatives".
 */
export interface LinearRule {
  name: string;
  /** `|d_j|`, broadcastable against the layer's output; undefined where d is s(z) alone. */
  denominator(scope: Scope, layer: LinearLayer): Value | undefined;
}

/** How the layer that reads the picture gives relevance to its input: emits `U_i` from `Q_j = s(z_j) R_j`. */
export interface InputRule {
  name: string;
  emit(scope: Scope, layer: WeightedLayer, q: Value, bounds: InputBounds): Value;
}

/** The layer's input values for pixel 0 and pixel 255, broadcastable against its input. */
export interface InputBounds {
  low: Value;
  high: Value;
}

/** Smallest positive normal float32: turns 0/0 of a layer that is zero everywhere into 0. */
export const TINY = 1.2e-38;
