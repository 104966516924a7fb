import { ModelError } from "../../errors.js";
import { broadcasts, isLinear, linearTransposed } from "../layers/linear.js";
import { recordOf } from "../layers/registry.js";
import { type Scope, shapeOf, tensorValue } from "../layers/scope.js";
import type { Value } from "../program/emitter.js";
import { type Method, plainValues, walkBack } from "./walk.js";

/** Emits gradient × input of the sum of the logits weighed by `start`, `[N, classes]`; dims of the network's input. */
export const emitGradientTimesInput = (scope: Scope, start: Value): Value =>
  scope.e.mul(emitGradient(scope, start), tensorValue(scope, scope.network.input));

/** Emits the gradient of that sum, with dims that broadcast to those of the network's input. */
export const emitGradient = (scope: Scope, start: Value): Value => walkBack(scope, gradient(scope), start);

/** The derivative of every layer that has one. The first winner of a max pool takes all. */
const gradient = (scope: Scope): Method<Value> => ({
  ...plainValues(scope),
  cross(layer, g) {
    const [input] = layer.inputs as [number];
    if (isLinear(layer) && layer.kind !== "attention") {
      const { e } = scope;
      const back = linearTransposed(scope, layer, g);
      const dims = [1, ...shapeOf(scope, input).slice(1)];
      return [[input, broadcasts(layer) ? e.op("Expand", [back, e.ints(dims)]) : back]];
    }
    const record = recordOf(layer);
    if (record.family === "maximum") return [[input, record.back(scope, layer, g, "first")]];
    const gradients = "gradient" in record ? record.gradient?.(scope, layer, g) : undefined;
    return gradients && layer.inputs.map((id, k) => [id, gradients[k]!]);
  },
  refusal: ({ name, operator }) =>
    new ModelError(
      "model-unsupported",
      `node "${name}" (operator ${operator}) has no derivative here, which gradient-x-input needs; use another method`,
    ),
});
