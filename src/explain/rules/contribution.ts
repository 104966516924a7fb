import { linearTransposed } from "../layers/linear.js";
import { tensorValue } from "../layers/scope.js";
import type { InputRule } from "./rule.js";

/** `U_i = x_i (wᵀQ)_i`. */
export const contribution: InputRule = {
  name: "contribution",
  emit: (scope, layer, q) => scope.e.mul(tensorValue(scope, layer.inputs[0]!), linearTransposed(scope, layer, q)),
};
