import { magnitudeOf } from "../layers/linear.js";
import { divisor, type LinearRule } from "./rule.js";

/** `|d_j| = Σ_i |a_i w_ij|`, so that `Σ_i |R_{i←j}| = |R_j|` exactly. */
export const rLrpAbsolute: LinearRule = {
  name: "r-lrp-absolute",
  smooth: false,
  denominator: (scope, layer) => divisor(scope.e, magnitudeOf(scope, layer)),
};
