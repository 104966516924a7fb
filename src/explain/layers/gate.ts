import type { GateLayer, TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import type { Gate } from "./layer.js";
import { type Scope, shapeOf, tensorValue } from "./scope.js";

export const gate: Gate<GateLayer> = {
  family: "gate",
  forward: (scope, layer) => scope.e.mul(tensorValue(scope, layer.inputs[0]!), tensorValue(scope, layer.inputs[1]!)),
  gradient(scope, layer, g) {
    const [signal, factor] = layer.inputs as [TensorId, TensorId];
    const at = (id: TensorId, other: TensorId): Value =>
      unbroadcast(scope, scope.e.mul(g, tensorValue(scope, other)), layer.outputs[0]!, id);
    return [at(signal, factor), at(factor, signal)];
  },
};

/** Adds up what one element was broadcast to. */
function unbroadcast(scope: Scope, value: Value, from: TensorId, to: TensorId): Value {
  const { e } = scope;
  const [wide, narrow] = [shapeOf(scope, from), shapeOf(scope, to)];
  const lead = wide.length - narrow.length;
  const axes = wide.flatMap((d, k) => (k > 0 && (k < lead + 1 ? 1 : narrow[k - lead]) === 1 && d !== 1 ? [k] : []));
  const summed = axes.length === 0 ? value : e.reduce("ReduceSum", value, axes);
  return lead === 0 ? summed : e.reshape(summed, narrow);
}
