import type { ScaleLayer, Weights } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import type { OneToOne } from "./layer.js";
import { type Scope, tensorValue } from "./scope.js";

interface Scaled {
  factor?: Weights;
  shift?: Weights;
}
/** Constants of one frame against tensors of several. */
export const withBatch = (w: Weights): Weights => ({ dims: w.dims.length === 0 ? [] : [1, ...w.dims], data: w.data });

/** `x · factor`. */
export const timesFactor = ({ e }: Scope, { factor }: Scaled, x: Value): Value =>
  factor ? e.mul(x, e.weights(withBatch(factor))) : x;

/** `x · factor + shift`. */
export function scaledAndShifted(scope: Scope, layer: Scaled, x: Value): Value {
  const scaled = timesFactor(scope, layer, x);
  return layer.shift ? scope.e.add(scaled, scope.e.weights(withBatch(layer.shift))) : scaled;
}

/** −1 where the factor is negative, else 1; undefined where it never is. */
export function slopeOfFactor(scope: Scope, { factor }: Scaled): Value | undefined {
  if (!factor?.data.some((v) => v < 0)) return undefined;
  return scope.e.weights(withBatch({ dims: factor.dims, data: factor.data.map((v) => (v < 0 ? -1 : 1)) }));
}

export const scale: OneToOne<ScaleLayer> = {
  family: "one-to-one",
  forward: (scope, layer) => scaledAndShifted(scope, layer, tensorValue(scope, layer.inputs[0]!)),
  slope: slopeOfFactor,
  gradient: (scope, layer, g) => [timesFactor(scope, layer, g)],
};
