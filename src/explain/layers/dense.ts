import type { DenseLayer, Weights } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { type Scope, shapeOf, tensorValue } from "./scope.js";

export const denseForward = (scope: Scope, layer: DenseLayer): Value => {
  const { e } = scope;
  const z = denseWith(scope, layer, tensorValue(scope, layer.inputs[0]!), layer.weight);
  return layer.bias ? e.add(z, e.tensor(layer.bias, [layer.bias.length])) : z;
};

/** `Σ_i a_i w_ij` with other weights and no bias. */
export const denseWith = ({ e }: Scope, layer: DenseLayer, a: Value, weight: Weights): Value =>
  layer.outFirst ? e.op("Gemm", [a, e.weights(weight)], { transB: { int: 1 } }) : e.matmul(a, e.weights(weight));

/** `Σ_j w_ij g_j` for several weights; one value each. */
export const denseTransposed = (scope: Scope, layer: DenseLayer, g: Value, weights: readonly Weights[]): Value[] => {
  const { e } = scope;
  // Gemm reads the weights of the forward pass the other way round: no second copy of what may be hundreds of megabytes.
  const matrix = shapeOf(scope, layer.outputs[0]!).length === 2;
  return weights.map((w) =>
    layer.outFirst
      ? e.matmul(g, e.weights(w))
      : matrix
        ? e.op("Gemm", [g, e.weights(w)], { transB: { int: 1 } })
        : e.matmul(g, e.weights(swapped(w))),
  );
};

/** The transpose of a matrix. */
export function swapped(weight: Weights): Weights {
  const [rows, columns] = weight.dims as [number, number];
  const data = new Float32Array(weight.data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) data[c * rows + r] = weight.data[r * columns + c]!;
  return { dims: [columns, rows], data };
}
