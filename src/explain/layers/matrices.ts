import type { Layer, TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { type Scope, shapeOf, tensorValue } from "./scope.js";
import { unbroadcast } from "./unbroadcast.js";

/** A tensor, its last two axes swapped. */
export function matrixTransposed(scope: Scope, id: TensorId): Value {
  const { length } = shapeOf(scope, id);
  return scope.e.transpose(
    tensorValue(scope, id),
    Array.from({ length }, (_, k) => (k < length - 2 ? k : 2 * length - 3 - k)),
  );
}

/** What reaches a factor of a matrix product, added up over the axes along which the product repeats it. */
export function atFactor(scope: Scope, layer: Layer, value: Value, factor: TensorId): Value {
  const leads = shapeOf(scope, layer.outputs[0]!).slice(0, -2);
  return unbroadcast(scope, value, [...leads, ...shapeOf(scope, factor).slice(-2)], factor);
}
