import { frameMean } from "../layers/per-frame.js";
import { tensorValue } from "../layers/scope.js";
import { divisor, type LinearRule } from "./rule.js";

/** `|d_j| = |z_j| + mean_k |z_k|`, the mean over one frame. */
export const rLrp: LinearRule = {
  name: "r-lrp",
  smooth: true,
  denominator(scope, layer, { output }) {
    const { e } = scope;
    const id = layer.outputs[0]!;
    const magnitude = e.abs(tensorValue(scope, id));
    return e.add(output ?? magnitude, divisor(e, frameMean(scope, id, magnitude)));
  },
};
