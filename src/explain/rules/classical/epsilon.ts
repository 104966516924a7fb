import { linearTransposed } from "../../layers/linear.js";
import { type ClassicalRule, stabilized } from "./rule.js";

/** `R_i = a_i Σ_j w_ij R_j / (z_j + ε s(z_j))`. */
export const epsilon: ClassicalRule = {
  name: "epsilon",
  emit(scope, layer, { r, a, z }) {
    const { e } = scope;
    return e.mul(a, linearTransposed(scope, layer, e.div(r, stabilized(e, z))));
  },
};

/** LRP-0, `ε = 0`; outputs of exactly zero pass nothing on. */
export const lrp0: ClassicalRule = {
  name: "lrp-0",
  emit(scope, layer, { r, a, z }) {
    const { e } = scope;
    const g = e.where(e.equal(z, e.number(0)), e.number(0), e.div(r, z));
    return e.mul(a, linearTransposed(scope, layer, g));
  },
};
