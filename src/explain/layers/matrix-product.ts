import type { MatrixProductLayer, TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import type { Bilinear } from "./layer.js";
import { atFactor, matrixTransposed } from "./matrices.js";
import { tensorValue } from "./scope.js";

/** `Y = A · B` of two signals, as in linear attention. */
export const matrixProduct: Bilinear<MatrixProductLayer> = {
  family: "bilinear",
  forward: (scope, { inputs: [a, b] }) => scope.e.matmul(tensorValue(scope, a!), tensorValue(scope, b!)),
  magnitude(scope, layer) {
    const [a, b] = layer.inputs.map((id) => scope.e.abs(tensorValue(scope, id))) as [Value, Value];
    return scope.e.matmul(a, b);
  },
  /** `g Bᵀ` and `Aᵀ g`. */
  gradient(scope, layer, g) {
    const [a, b] = layer.inputs as [TensorId, TensorId];
    return [
      atFactor(scope, layer, scope.e.matmul(g, matrixTransposed(scope, b)), a),
      atFactor(scope, layer, scope.e.matmul(matrixTransposed(scope, a), g), b),
    ];
  },
};
