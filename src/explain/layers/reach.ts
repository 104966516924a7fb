import type { ConvLayer, DenseLayer, TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { type Scope, shapeOf } from "./scope.js";

/** What a neuron could have had: its weights by the mean of what it reads. */

/**
 * `S_j = ‖w_j‖₁ · mean |a|` over the window and the channels of the group that neuron j reads, padding as zeros, plus `least`. The
 * channels of a group are added up, then one channel a group is filtered by a box.
 * @param a `|a|`, the layer's input without signs
 */
export function windowReach(scope: Scope, layer: ConvLayer, a: Value, least: number): Value {
  const { e } = scope;
  const { groups, weight, kernel } = layer;
  const [out, perGroup] = weight.dims as [number, number];
  const pointwise = { kernel: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] } as const;
  const summed = perGroup === 1 ? a : e.conv(a, e.filled(1, [groups, perGroup, 1, 1]), undefined, pointwise, groups);
  const area = kernel[0] * kernel[1];
  const boxes = norms(layer).map((norm) => norm / (perGroup * area));
  const box = Float32Array.from({ length: out * area }, (_, k) => boxes[Math.floor(k / area)]!);
  return e.conv(summed, e.tensor(box, [out, 1, ...kernel]), e.filled(least, [out]), layer, groups);
}

/** `‖w_j‖₁` of each output channel. */
function norms({ weight }: ConvLayer): Float32Array {
  const out = weight.dims[0]!;
  const size = weight.data.length / out;
  return Float32Array.from({ length: out }, (_, o) => absoluteSum(weight.data, o * size, 1, size));
}

/** `S_j = ‖w_j‖₁ · mean |a|` over all inputs of its row, plus `least`. */
export function rowReach(scope: Scope, layer: DenseLayer, a: Value, least: number): Value {
  const { e } = scope;
  const rank = shapeOf(scope, layer.inputs[0] as TensorId).length;
  const [rows, columns] = layer.weight.dims as [number, number];
  const [inner, out] = layer.outFirst ? [columns, rows] : [rows, columns];
  const mean = e.reduce("ReduceMean", a, [rank - 1]);
  const norm = Float32Array.from({ length: out }, (_, o) =>
    layer.outFirst
      ? absoluteSum(layer.weight.data, o * inner, 1, inner)
      : absoluteSum(layer.weight.data, o, out, inner),
  );
  return e.add(e.mul(mean, e.tensor(norm, [out])), e.number(least));
}

/** Sums of float32 numbers, in float64. */
function absoluteSum(data: Float32Array, from: number, step: number, count: number): number {
  let sum = 0;
  for (let k = 0; k < count; k++) sum += Math.abs(data[from + k * step]!);
  return sum;
}
