import type { LrnLayer } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import type { OneToOne } from "./layer.js";
import { type Scope, shapeOf, tensorValue } from "./scope.js";

/** `y = x / S^β` and `S = bias + α/size · Σ x²` over neighbouring channels. */
function parts(scope: Scope, layer: LrnLayer): { y: Value; sum: Value } {
  const { e } = scope;
  const x = tensorValue(scope, layer.inputs[0]!);
  const squares = neighbours(scope, layer, e.mul(x, x), false);
  const sum = e.add(e.mul(squares, e.number(layer.alpha / layer.size)), e.number(layer.bias));
  return { y: e.div(x, e.op("Pow", [sum, e.number(layer.beta)])), sum };
}

/** `g / S^β − 2αβ/size · x · Σ' g y / S`, Σ' over the channels whose window holds this one. */
function gradient(scope: Scope, layer: LrnLayer, g: Value): Value {
  const { e } = scope;
  const { y, sum } = parts(scope, layer);
  const through = neighbours(scope, layer, e.div(e.mul(g, y), sum), true);
  const slope = e.number((2 * layer.alpha * layer.beta) / layer.size);
  const x = tensorValue(scope, layer.inputs[0]!);
  return e.sub(e.div(g, e.op("Pow", [sum, e.number(layer.beta)])), e.mul(e.mul(x, slope), through));
}

/** Sums over the window of channels around each, as a convolution with a band of ones. */
function neighbours(scope: Scope, layer: LrnLayer, a: Value, turned: boolean): Value {
  const channels = shapeOf(scope, layer.inputs[0]!)[1]!;
  const before = Math.floor((layer.size - 1) / 2);
  const after = layer.size - 1 - before;
  const data = Float32Array.from({ length: channels * channels }, (_, k) => {
    const [to, from] = [Math.floor(k / channels), k % channels];
    const offset = turned ? to - from : from - to;
    return offset >= -before && offset <= after ? 1 : 0;
  });
  const { e } = scope;
  return e.conv(a, e.tensor(data, [channels, channels, 1, 1]), undefined, {
    kernel: [1, 1],
    strides: [1, 1],
    pads: [0, 0, 0, 0],
    dilations: [1, 1],
  });
}

export const lrn: OneToOne<LrnLayer> = {
  family: "one-to-one",
  forward: (scope, layer) => parts(scope, layer).y,
  gradient: (scope, layer, g) => [gradient(scope, layer, g)],
};
