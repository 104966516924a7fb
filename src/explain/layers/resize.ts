import type { ResizeLayer, Weights } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { swapped } from "./dense.js";
import { channelScaled, channelShifted } from "./folded.js";
import type { Averaging } from "./layer.js";
import { type Scope, tensorValue } from "./scope.js";
import { same } from "./weight-map.js";

/** `rows · a · columnsᵀ`; the interpolation's own weights are never negative. */
export const resize: Averaging<ResizeLayer> = {
  family: "averaging",
  forward: (scope, layer) =>
    channelShifted(scope, layer, resize.with(scope, layer, tensorValue(scope, layer.inputs[0]!), same)),
  with: (scope, layer, a, map) =>
    channelScaled(scope, layer, between(scope, layer.rows, a, swapped(layer.columns)), map),
  /** `rowsᵀ · g · columns`. */
  transposed: (scope, layer, g) =>
    between(scope, swapped(layer.rows), channelScaled(scope, layer, g, same), layer.columns),
};

const between = ({ e }: Scope, left: Weights, a: Value, right: Weights): Value =>
  e.matmul(e.matmul(e.weights(left), a), e.weights(right));
