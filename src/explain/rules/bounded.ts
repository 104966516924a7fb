import { weightedTransposed } from "../layers/linear.js";
import { tensorValue } from "../layers/scope.js";
import type { InputRule } from "./rule.js";

/** `U_i = x_i (wᵀQ)_i − l_i (w⁺ᵀQ)_i − h_i (w⁻ᵀQ)_i`: a pixel measured against the darkest and brightest it could be. */
export const bounded: InputRule = {
  name: "bounded",
  emit(scope, layer, q, { low, high }) {
    const { e } = scope;
    const [all, raising, lowering] = weightedTransposed(scope, layer, q, [
      (w) => w,
      (w) => Math.max(w, 0),
      (w) => Math.min(w, 0),
    ]);
    return e.sub(
      e.sub(e.mul(tensorValue(scope, layer.inputs[0]!), all!), e.mul(low, raising!)),
      e.mul(high, lowering!),
    );
  },
};
