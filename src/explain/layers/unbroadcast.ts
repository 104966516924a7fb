import type { TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { type Scope, shapeOf } from "./scope.js";

/** Adds up what one element of a tensor was broadcast to; `wide` are the dims of the value. */
export function unbroadcast(scope: Scope, value: Value, wide: readonly number[], to: TensorId): Value {
  const { e } = scope;
  const narrow = shapeOf(scope, to);
  const lead = wide.length - narrow.length;
  const axes = wide.flatMap((d, k) => (k > 0 && (k < lead + 1 ? 1 : narrow[k - lead]) === 1 && d !== 1 ? [k] : []));
  const summed = axes.length === 0 ? value : e.reduce("ReduceSum", value, axes);
  return lead === 0 ? summed : e.reshape(summed, narrow);
}
