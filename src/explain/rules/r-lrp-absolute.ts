import { linearWith } from "../layers/linear.js";
import { tensorValue } from "../layers/scope.js";
import { divisor, type LinearRule } from "./rule.js";

/** `|d_j| = Σ_i |a_i w_ij|`, so that `Σ_i |R_{i←j}| = |R_j|` exactly. */
export const rLrpAbsolute: LinearRule = {
  name: "r-lrp-absolute",
  smooth: false,
  denominator(scope, layer) {
    const { e } = scope;
    return divisor(e, linearWith(scope, layer, e.abs(tensorValue(scope, layer.inputs[0]!)), Math.abs));
  },
};
