import { convTransposed } from "../layers/conv.js";
import { isPlainConv, type WeightedLayer, weightedTransposed } from "../layers/linear.js";
import { type Scope, tensorValue } from "../layers/scope.js";
import { negative, positive, same } from "../layers/weight-map.js";
import type { ConvLayer } from "../network/network.js";
import type { InputBounds } from "../program/bounds.js";
import type { Value } from "../program/emitter.js";
import type { InputRule } from "./rule.js";

/** `U_i = x_i (wᵀQ)_i − l_i (w⁺ᵀQ)_i − h_i (w⁻ᵀQ)_i`: a pixel measured against the darkest and brightest it could be. */
export const bounded: InputRule = {
  name: "bounded",
  emit(scope, layer, q, bounds, summed = false) {
    const { e } = scope;
    const x = tensorValue(scope, layer.inputs[0]!);
    if (summed && isPlainConv(layer) && bounds.numbers) {
      const { dims } = layer.weight;
      const weighed = {
        dims: [dims[0]!, 1, dims[2]!, dims[3]!],
        data: overChannels(weigh(layer, bounds.numbers), dims),
      };
      const [all, rest] = convTransposed(scope, layer, q, [layer.weight, weighed]) as [Value, Value];
      return e.sub(e.reduce("ReduceSum", e.mul(x, all), [1]), rest);
    }
    const [all, rest] = transposes(scope, layer, q, bounds);
    return e.sub(e.mul(x, all), rest);
  },
};

/** `wᵀQ`, and `l (w⁺ᵀQ) + h (w⁻ᵀQ)`: of weights of its own where the bounds of each channel are numbers. */
function transposes(scope: Scope, layer: WeightedLayer, q: Value, { low, high, numbers }: InputBounds): [Value, Value] {
  const { e } = scope;
  if (isPlainConv(layer) && numbers) {
    const weighed = { dims: layer.weight.dims, data: weigh(layer, numbers) };
    return convTransposed(scope, layer, q, [layer.weight, weighed]) as [Value, Value];
  }
  const maps = [same, positive, negative];
  const [all, raising, lowering] = weightedTransposed(scope, layer, q, maps) as [Value, Value, Value];
  return [all, e.add(e.mul(low, raising), e.mul(high, lowering))];
}

function weigh(layer: ConvLayer, { low, high }: NonNullable<InputBounds["numbers"]>): Float32Array {
  const [, channels, kh, kw] = layer.weight.dims as [number, number, number, number];
  return layer.weight.data.map((w, i) => {
    const c = Math.floor(i / (kh * kw)) % channels;
    return w * (w > 0 ? low[c % low.length]! : high[c % high.length]!);
  });
}

/** `[out, in, kh, kw]` to `[out, 1, kh, kw]`. */
function overChannels(weights: Float32Array, dims: readonly number[]): Float32Array {
  const [out, channels, kh, kw] = dims as [number, number, number, number];
  const summed = new Float32Array(out * kh * kw);
  weights.forEach((w, i) => {
    summed[Math.floor(i / (channels * kh * kw)) * kh * kw + (i % (kh * kw))]! += w;
  });
  return summed;
}
