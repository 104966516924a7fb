import { channelAxis, type Folded, type Layer } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { type Scope, shapeOf } from "./scope.js";
import type { WeightMap } from "./weight-map.js";

type FoldedLayer = Folded & Layer;

/** One value a channel, broadcastable against the layer's output. */
function channelwise(scope: Scope, layer: FoldedLayer, values: Float32Array): Value {
  const shape = shapeOf(scope, layer.outputs[0]!);
  const axis = channelAxis(layer, shape.length);
  const dims = shape.map((_, k) => (k === axis ? values.length : 1));
  return scope.e.tensor(values, dims);
}

/** `z` times the folded factor, mapped. */
export const channelScaled = (scope: Scope, layer: FoldedLayer, z: Value, map: WeightMap): Value =>
  layer.factor ? scope.e.mul(z, channelwise(scope, layer, layer.factor.map(map))) : z;

/** `z` plus the folded shift. */
export const channelShifted = (scope: Scope, layer: FoldedLayer, z: Value): Value =>
  layer.shift ? scope.e.add(z, channelwise(scope, layer, layer.shift)) : z;
