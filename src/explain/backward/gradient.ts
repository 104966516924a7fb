import { ModelError } from "../../errors.js";
import { isLinear, linearTransposed } from "../layers/linear.js";
import { lrnGradient } from "../layers/lrn.js";
import { maxPoolBack } from "../layers/max-pool.js";
import { normGradient } from "../layers/norm.js";
import { type Scope, shapeOf, tensorValue } from "../layers/scope.js";
import { activationGradient } from "../layers/slope.js";
import type { Layer, TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { movedBack } from "./back.js";

/** Emits gradient × input of the sum of the logits weighed by `start`, `[N, classes]`; dims of the network's input. */
export function emitGradientTimesInput(scope: Scope, start: Value): Value {
  const { network, e } = scope;
  const pending = new Map<TensorId, Value>([[network.output, start]]);
  for (const layer of network.layers.toReversed()) {
    const parts = layer.outputs.map((id) => pending.get(id));
    if (parts.every((p) => p === undefined)) continue;
    for (const id of layer.outputs) pending.delete(id);
    for (const [id, g] of movedBack(scope, layer, parts) ?? back(scope, layer, parts[0]!)) {
      const there = pending.get(id);
      pending.set(id, there === undefined ? g : e.add(there, g));
    }
  }
  const gradient = pending.get(network.input);
  if (gradient === undefined)
    throw new ModelError("model-unsupported", "no layer leads from the scores to the picture");
  return e.mul(gradient, tensorValue(scope, network.input));
}

function back(scope: Scope, layer: Layer, g: Value): [TensorId, Value][] {
  const { e } = scope;
  const [input] = layer.inputs as [TensorId];
  const whole = (v: Value): Value => e.op("Expand", [v, e.ints([1, ...shapeOf(scope, input).slice(1)])]);
  if (isLinear(layer)) {
    const back = linearTransposed(scope, layer, g);
    return [[input, layer.kind === "mean" ? whole(back) : back]];
  }
  switch (layer.kind) {
    case "activation":
      return [[input, activationGradient(scope, layer, g)]];
    case "scale": {
      if (!layer.factor) return [[input, g]];
      const { dims, data } = layer.factor;
      return [[input, e.mul(g, e.tensor(data, dims.length === 0 ? [] : [1, ...dims]))]];
    }
    case "lrn":
      return [[input, lrnGradient(scope, layer, g)]];
    case "norm":
      return [[input, normGradient(scope, layer, g)]];
    case "add":
      return layer.inputs.map((id) => [id, g]);
    case "maxPool":
      return [[input, maxPoolBack(scope, layer, g, "first")]];
    case "gate": {
      const [signal, gate] = layer.inputs as [TensorId, TensorId];
      return [
        [signal, unbroadcast(scope, e.mul(g, tensorValue(scope, gate)), layer.outputs[0]!, signal)],
        [gate, unbroadcast(scope, e.mul(g, tensorValue(scope, signal)), layer.outputs[0]!, gate)],
      ];
    }
    case "softmax": {
      const y = tensorValue(scope, layer.outputs[0]!);
      return [[input, e.mul(y, e.sub(g, e.reduce("ReduceSum", e.mul(g, y), [layer.axis])))]];
    }
    default:
      throw new ModelError(
        "model-unsupported",
        `node "${layer.name}" (operator ${layer.operator}) has no derivative here, which gradient-x-input needs; use another method`,
      );
  }
}

/** Adds up what one element was broadcast to. */
function unbroadcast(scope: Scope, value: Value, from: TensorId, to: TensorId): Value {
  const { e } = scope;
  const [wide, narrow] = [shapeOf(scope, from), shapeOf(scope, to)];
  const lead = wide.length - narrow.length;
  const axes = wide.flatMap((d, k) => (k > 0 && (k < lead + 1 ? 1 : narrow[k - lead]) === 1 && d !== 1 ? [k] : []));
  const summed = axes.length === 0 ? value : e.reduce("ReduceSum", value, axes);
  return lead === 0 ? summed : e.reshape(summed, narrow);
}
