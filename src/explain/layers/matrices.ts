import type { TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { type Scope, shapeOf } from "./scope.js";

/** A value with the dims of a tensor, its last two axes swapped. */
export function matrixTransposed(scope: Scope, like: TensorId, value: Value): Value {
  const { length } = shapeOf(scope, like);
  return scope.e.transpose(
    value,
    Array.from({ length }, (_, k) => (k < length - 2 ? k : 2 * length - 3 - k)),
  );
}
