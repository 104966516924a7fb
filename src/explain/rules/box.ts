import { isPlainConv, linearWith, type WeightedLayer } from "../layers/linear.js";
import { type Scope, shapeOf, tensorValue } from "../layers/scope.js";
import { negative, positive, same } from "../layers/weight-map.js";
import type { ConvLayer, Weights } from "../network/network.js";
import type { InputBounds } from "../program/bounds.js";
import type { Value } from "../program/emitter.js";
import { bounded } from "./bounded.js";
import type { InputRule } from "./rule.js";

/**
 * `bounded` with `Q_j / (z_j − b_j − Σ l w⁺ − Σ h w⁻)`: divided by how far the neuron is from the least that the picture's range
 * allows, so that a pixel's share is at most 1. Padding is no pixel and adds nothing; 0 where the neuron is at its least.
 */
export const box: InputRule = {
  name: "box",
  emit(scope, layer, q, bounds, summed) {
    if (isPlainConv(layer) && bounds.numbers) {
      const { relative, distance } = distanceFromLeast(scope, layer, bounds.numbers);
      return bounded.emit(scope, relative, divided(scope, q, distance, scope.e.number(AT_LEAST)), bounds, summed);
    }
    const { distance, range } = distanceByParts(scope, layer, bounds);
    const least = scope.e.mul(range, scope.e.number(AT_LEAST));
    return bounded.emit(scope, layer, divided(scope, q, distance, least), bounds, summed);
  },
};

/** Nearer than this share of its range to its least, a neuron is there, but for rounding. */
const AT_LEAST = 1e-6;

/** `q / d`, and 0 where `|d|` is no more than `least`. */
function divided({ e }: Scope, q: Value, d: Value, least: Value): Value {
  return e.where(e.op("Greater", [e.abs(d), least]), e.div(q, d), e.number(0));
}

/**
 * The distance as a convolution of its own, with one more channel that is 1 on the picture and 0 on the padding around it; each
 * neuron's weights are divided by its range `Σ (h − l) |w|`, so that the distance is a share of it.
 */
function distanceFromLeast(
  scope: Scope,
  layer: ConvLayer,
  { low, high }: NonNullable<InputBounds["numbers"]>,
): { relative: ConvLayer; distance: Value } {
  const { e } = scope;
  const [out, channels, kh, kw] = layer.weight.dims as [number, number, number, number];
  const [size, area] = [channels * kh * kw, kh * kw];
  const at = (values: readonly number[], k: number): number => values[Math.floor(k / area) % values.length]!;
  const weight = new Float32Array(out * size);
  const extended = new Float32Array(out * (size + area));
  for (let o = 0; o < out; o++) {
    const own = layer.weight.data.subarray(o * size, (o + 1) * size);
    const range = own.reduce((sum, w, k) => sum + (at(high, k) - at(low, k)) * Math.abs(w), 0) || 1;
    const share = own.map((w) => w / range);
    const least = new Float64Array(area);
    share.forEach((w, k) => {
      least[k % area]! += w * at(w > 0 ? low : high, k);
    });
    weight.set(share, o * size);
    extended.set(share, o * (size + area));
    extended.set(
      least.map((v) => -v),
      o * (size + area) + size,
    );
  }
  const marked = e.pad(tensorValue(scope, layer.inputs[0]!), [0, 0, 0, 0], [0, 1, 0, 0], 1);
  const kernel: Weights = { dims: [out, channels + 1, kh, kw], data: extended };
  return {
    relative: { ...layer, weight: { dims: layer.weight.dims, data: weight } },
    distance: e.conv(marked, e.weights(kernel), undefined, layer),
  };
}

/** The distance of any layer, term by term, and `Σ (h − l) |w|`. */
function distanceByParts(scope: Scope, layer: WeightedLayer, bounds: InputBounds): { distance: Value; range: Value } {
  const { e } = scope;
  const dims = e.ints([1, ...shapeOf(scope, layer.inputs[0]!).slice(1)]);
  const low = e.op("Expand", [bounds.low, dims]);
  const high = e.op("Expand", [bounds.high, dims]);
  const own = linearWith(scope, layer, tensorValue(scope, layer.inputs[0]!), same);
  const least = e.add(linearWith(scope, layer, low, positive), linearWith(scope, layer, high, negative));
  return { distance: e.sub(own, least), range: linearWith(scope, layer, e.sub(high, low), Math.abs) };
}
