import type { DenseLayer, Weights } from "../network/network.js";
import type { Weighted } from "./layer.js";
import { rowReach } from "./reach.js";
import { shapeOf, tensorValue } from "./scope.js";
import { mapWeights, same } from "./weight-map.js";

export const dense: Weighted<DenseLayer> = {
  family: "weighted",
  forward(scope, layer) {
    const { e } = scope;
    const z = dense.with(scope, layer, tensorValue(scope, layer.inputs[0]!), same);
    return layer.bias ? e.add(z, e.tensor(layer.bias, [layer.bias.length])) : z;
  },
  with({ e }, layer, a, map) {
    const weight = e.weights(mapWeights(layer.weight, map));
    return layer.outFirst ? e.op("Gemm", [a, weight], { transB: { int: 1 } }) : e.matmul(a, weight);
  },
  transposed: (scope, layer, g) => dense.transposedWith(scope, layer, g, [same])[0]!,
  transposedWith(scope, layer, g, maps) {
    const { e } = scope;
    // Gemm reads the weights of the forward pass the other way round: no second copy of what may be hundreds of megabytes.
    const matrix = shapeOf(scope, layer.outputs[0]!).length === 2;
    const weights = maps.map((map) => mapWeights(layer.weight, map));
    return weights.map((w) =>
      layer.outFirst
        ? e.matmul(g, e.weights(w))
        : matrix
          ? e.op("Gemm", [g, e.weights(w)], { transB: { int: 1 } })
          : e.matmul(g, e.weights(swapped(w))),
    );
  },
  reach: rowReach,
};

/** The transpose of a matrix. */
export function swapped(weight: Weights): Weights {
  const [rows, columns] = weight.dims as [number, number];
  const data = new Float32Array(weight.data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) data[c * rows + r] = weight.data[r * columns + c]!;
  return { dims: [columns, rows], data };
}
