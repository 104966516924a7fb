import type { ResizeLayer, Weights } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { channelScaled, channelShifted } from "./average-pool.js";
import { swapped } from "./dense.js";
import { type Scope, tensorValue } from "./scope.js";

/** `rows · a · columnsᵀ` with the folded factor mapped, without the shift; the interpolation's own weights are never negative. */
export function resizeWith(scope: Scope, layer: ResizeLayer, a: Value, map: (w: number) => number): Value {
  return channelScaled(scope, layer, between(scope, layer.rows, a, swapped(layer.columns)), map);
}

export const resizeForward = (scope: Scope, layer: ResizeLayer): Value =>
  channelShifted(
    scope,
    layer,
    resizeWith(scope, layer, tensorValue(scope, layer.inputs[0]!), (w) => w),
  );

/** `rowsᵀ · g · columns`. */
export const resizeTransposed = (scope: Scope, layer: ResizeLayer, g: Value): Value =>
  between(
    scope,
    swapped(layer.rows),
    channelScaled(scope, layer, g, (w) => w),
    layer.columns,
  );

const between = ({ e }: Scope, left: Weights, a: Value, right: Weights): Value =>
  e.matmul(e.matmul(e.weights(left), a), e.weights(right));
