import type { Layer } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { recordOf } from "./registry.js";
import type { Scope } from "./scope.js";

/** Emits one layer on the values of the scope: one value an output. */
export const emitLayer = (scope: Scope, layer: Layer): Value[] => [recordOf(layer).forward(scope, layer)].flat();

/** Emits every layer and records its values in the scope. */
export function emitForward(scope: Scope): void {
  for (const layer of scope.network.layers)
    emitLayer(scope, layer).forEach((value, k) => {
      scope.values.set(layer.outputs[k]!, value);
    });
}
