import type { Network, TensorId } from "../network/network.js";
import type { Emitter, Value } from "../program/emitter.js";

/** What emitting a layer may look at: the program under construction and the forward values made so far. */
export interface Scope {
  e: Emitter;
  network: Network;
  values: Map<TensorId, Value>;
}

export const tensorValue = (scope: Scope, id: TensorId): Value => scope.values.get(id)!;
export const shapeOf = (scope: Scope, id: TensorId): readonly number[] => scope.network.shapes.get(id)!;
