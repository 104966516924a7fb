import { weightedTransposed } from "../layers/linear.js";
import { tensorValue } from "../layers/scope.js";
import type { InputRule } from "./rule.js";

/** `U_i = Σ_j R_j` over the windows that hold the pixel, whatever its value; `R_j = s(z_j) Q_j`. */
export const flat: InputRule = {
  name: "flat",
  emit(scope, layer, q) {
    const r = scope.e.mul(scope.e.sign(tensorValue(scope, layer.outputs[0]!)), q);
    return weightedTransposed(scope, layer, r, [() => 1])[0]!;
  },
};
