import type { MaxPoolLayer } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { turnedConv } from "./conv.js";
import { type Scope, shapeOf } from "./scope.js";

/** `Σ v` over each window of a max pool, dims of its output. */
export function windowSums(scope: Scope, layer: MaxPoolLayer, v: Value, tiles: boolean): Value {
  const { e } = scope;
  const [kh, kw] = layer.kernel;
  if (tiles)
    return e.mul(
      e.op("AveragePool", [v], { kernel_shape: { ints: layer.kernel }, strides: { ints: layer.strides } }),
      e.number(kh * kw),
    );
  const channels = shapeOf(scope, layer.inputs[0]!)[1]!;
  return e.conv(v, e.filled(1, [channels, 1, kh, kw]), undefined, layer, channels);
}

/** `Σ_j g_j` over the windows that hold each element, dims of the pool's input. */
export function spreadOverWindows(scope: Scope, layer: MaxPoolLayer, g: Value, tiles: boolean): Value {
  const { e } = scope;
  const [, channels, height, width] = shapeOf(scope, layer.inputs[0]!) as [number, number, number, number];
  const [, , outHeight, outWidth] = shapeOf(scope, layer.outputs[0]!) as [number, number, number, number];
  const [kh, kw] = layer.kernel;
  if (tiles) return e.pad(e.repeat(g, kh, kw), [0, 0, 0, 0], [0, 0, height - outHeight * kh, width - outWidth * kw]);
  const ones = { dims: [channels, 1, kh, kw], data: new Float32Array(channels * kh * kw).fill(1) };
  return turnedConv(e, g, ones, layer, channels, [height, width], [outHeight, outWidth]);
}
