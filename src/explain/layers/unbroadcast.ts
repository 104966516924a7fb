import type { TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { type Scope, shapeOf } from "./scope.js";

/** Adds up what one element was broadcast to. */
export function unbroadcast(scope: Scope, value: Value, from: TensorId, to: TensorId): Value {
  const { e } = scope;
  const [wide, narrow] = [shapeOf(scope, from), shapeOf(scope, to)];
  const lead = wide.length - narrow.length;
  const axes = wide.flatMap((d, k) => (k > 0 && (k < lead + 1 ? 1 : narrow[k - lead]) === 1 && d !== 1 ? [k] : []));
  const summed = axes.length === 0 ? value : e.reduce("ReduceSum", value, axes);
  return lead === 0 ? summed : e.reshape(summed, narrow);
}
