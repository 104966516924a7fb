import { weightedTransposed } from "../../layers/linear.js";
import { type ClassicalRule, forwardWith, ones, stabilized } from "./rule.js";

const one = (): number => 1;

/** `R_i = Σ_j R_j / n_j` over the windows that hold the input; `n_j` inputs lie in window j, padding not counted. */
export const flatRule: ClassicalRule = {
  name: "flat",
  emit(scope, layer, { r }) {
    const { e } = scope;
    const count = forwardWith(scope, layer, ones(scope, layer), one, undefined);
    return weightedTransposed(scope, layer, e.div(r, stabilized(e, count)), [one])[0]!;
  },
};
