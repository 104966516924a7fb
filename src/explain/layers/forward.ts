import type { Layer } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { activationForward } from "./activation.js";
import { averagePoolForward, meanForward } from "./average-pool.js";
import { convForward } from "./conv.js";
import { denseForward } from "./dense.js";
import { gatherForward } from "./gather.js";
import { lrnForward } from "./lrn.js";
import { maxPoolForward } from "./max-pool.js";
import * as moves from "./moves.js";
import { normForward } from "./norm.js";
import { resizeForward } from "./resize.js";
import type { Scope } from "./scope.js";

/** How each layer kind is emitted. One line registers one. */
const FORWARD: { [K in Layer["kind"]]: (scope: Scope, layer: Extract<Layer, { kind: K }>) => Value | Value[] } = {
  activation: activationForward,
  add: moves.addForward,
  averagePool: averagePoolForward,
  concat: moves.concatForward,
  conv: convForward,
  dense: denseForward,
  gather: gatherForward,
  gate: moves.multiplyForward,
  lrn: lrnForward,
  maxPool: maxPoolForward,
  mean: meanForward,
  norm: normForward,
  pad: moves.padForward,
  pair: () => {
    throw new Error("an operator on two tensors that no transform knew reached the compiler");
  },
  reshape: moves.reshapeForward,
  resize: resizeForward,
  scale: moves.scaleForward,
  slice: moves.sliceForward,
  softmax: moves.softmaxForward,
  split: moves.splitForward,
  transpose: moves.transposeForward,
};

/** Emits one layer on the values of the scope: one value an output. */
export function emitLayer(scope: Scope, layer: Layer): Value[] {
  const emit = FORWARD[layer.kind] as (scope: Scope, layer: Layer) => Value | Value[];
  return [emit(scope, layer)].flat();
}

/** Emits every layer and records its values in the scope. */
export function emitForward(scope: Scope): void {
  for (const layer of scope.network.layers)
    emitLayer(scope, layer).forEach((value, k) => {
      scope.values.set(layer.outputs[k]!, value);
    });
}
