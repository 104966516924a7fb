import { weightedTransposed } from "../../layers/linear.js";
import { shapeOf } from "../../layers/scope.js";
import { negative, positive, same } from "../../layers/weight-map.js";
import type { Value } from "../../program/emitter.js";
import { type ClassicalRule, forwardWith, stabilized } from "./rule.js";

/** z^B: `R_i = Σ_j (x_i w_ij − l_i w⁺_ij − h_i w⁻_ij) R_j / Σ_i (…)`, for the layer that reads the picture. */
export const box: ClassicalRule = {
  name: "box",
  emit(scope, layer, { r, a, bounds }) {
    const { e } = scope;
    if (!bounds) throw new Error("the box rule is for the layer that reads the picture");
    const dims = e.ints([1, ...shapeOf(scope, layer.inputs[0]!).slice(1)]);
    const [low, high] = [bounds.low, bounds.high].map((v) => e.op("Expand", [v, dims])) as [Value, Value];
    const z = e.sub(
      e.sub(forwardWith(scope, layer, a, same, undefined), forwardWith(scope, layer, low, positive, undefined)),
      forwardWith(scope, layer, high, negative, undefined),
    );
    const g = e.div(r, stabilized(e, z));
    const [all, raising, lowering] = weightedTransposed(scope, layer, g, [same, positive, negative]) as [
      Value,
      Value,
      Value,
    ];
    return e.sub(e.sub(e.mul(a, all), e.mul(low, raising)), e.mul(high, lowering));
  },
};
