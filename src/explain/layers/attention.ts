import type { AttentionLayer, TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import type { Mixing } from "./layer.js";
import { atFactor, matrixTransposed } from "./matrices.js";
import { type Scope, tensorValue } from "./scope.js";

function product({ e }: Scope, { gateFirst }: AttentionLayer, signal: Value, gate: Value): Value {
  return gateFirst ? e.matmul(gate, signal) : e.matmul(signal, gate);
}

/** A matrix product that a softmax or sigmoid weighs: `Y = A · B` with A the gate, or B. */
export const attention: Mixing<AttentionLayer> = {
  family: "mixing",
  forward(scope, layer) {
    const [signal, gate] = layer.inputs as [TensorId, TensorId];
    return product(scope, layer, tensorValue(scope, signal), tensorValue(scope, gate));
  },
  magnitude(scope, layer) {
    const [signal, gate] = layer.inputs.map((id) => scope.e.abs(tensorValue(scope, id))) as [Value, Value];
    return product(scope, layer, signal, gate);
  },
  /** `Aᵀ g` or `g Bᵀ`. */
  transposed(scope, layer, g) {
    const [signal, gate] = layer.inputs as [TensorId, TensorId];
    return atFactor(scope, layer, product(scope, layer, g, matrixTransposed(scope, gate)), signal);
  },
  gradient(scope, layer, g) {
    const [signal, gate] = layer.inputs as [TensorId, TensorId];
    const turned = matrixTransposed(scope, signal);
    const back = layer.gateFirst ? scope.e.matmul(g, turned) : scope.e.matmul(turned, g);
    return [attention.transposed(scope, layer, g), atFactor(scope, layer, back, gate)];
  },
};
