import type { GateLayer, TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import type { Gate } from "./layer.js";
import { shapeOf, tensorValue } from "./scope.js";
import { unbroadcast } from "./unbroadcast.js";

export const gate: Gate<GateLayer> = {
  family: "gate",
  forward: (scope, layer) => scope.e.mul(tensorValue(scope, layer.inputs[0]!), tensorValue(scope, layer.inputs[1]!)),
  gradient(scope, layer, g) {
    const [signal, factor] = layer.inputs as [TensorId, TensorId];
    const at = (id: TensorId, other: TensorId): Value =>
      unbroadcast(scope, scope.e.mul(g, tensorValue(scope, other)), shapeOf(scope, layer.outputs[0]!), id);
    return [at(signal, factor), at(factor, signal)];
  },
};
