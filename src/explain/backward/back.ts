import { gatherBack } from "../layers/gather.js";
import * as moves from "../layers/moves.js";
import type { Scope } from "../layers/scope.js";
import type { Layer, TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";

/**
 * What arrives at the inputs of a layer that only moves elements, from what left its outputs; undefined for other layers.
 * Parts of a split that carry nothing count as zero.
 */
export function movedBack(
  scope: Scope,
  layer: Layer,
  parts: readonly (Value | undefined)[],
): [TensorId, Value][] | undefined {
  const [input] = layer.inputs as [TensorId];
  const r = parts[0]!;
  switch (layer.kind) {
    case "reshape":
      return [[input, moves.reshapeBack(scope, layer, r)]];
    case "transpose":
      return [[input, moves.transposeBack(scope, layer, r)]];
    case "pad":
      return [[input, moves.padBack(scope, layer, r)]];
    case "slice":
      return [[input, moves.sliceBack(scope, layer, r)]];
    case "gather":
      return [[input, gatherBack(scope, layer, r)]];
    case "split":
      return [[input, moves.splitBack(scope, layer, [...parts])]];
    case "concat": {
      const back = moves.concatBack(scope, layer, r);
      return layer.inputs.map((id, k) => [id, back[k]!]);
    }
    default:
      return undefined;
  }
}
