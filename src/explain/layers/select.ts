import type { SelectLayer, TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import type { Reindexing } from "./layer.js";
import { withBatch } from "./scale.js";
import { type Scope, tensorValue } from "./scope.js";

/** Elements of one tensor where the mask is 1, elsewhere of another or constants; each goes back to where it came from. */
export const select: Reindexing<SelectLayer> = {
  family: "reindexing",
  forward(scope, layer) {
    const { e } = scope;
    const [x, y] = layer.inputs as [TensorId, TensorId | undefined];
    const kept = masked(scope, layer, tensorValue(scope, x), true);
    const other =
      y === undefined ? e.weights(withBatch(layer.other!)) : masked(scope, layer, tensorValue(scope, y), false);
    return e.add(kept, other);
  },
  back: (scope, layer, [r]) => layer.inputs.map((_, k) => masked(scope, layer, r!, k === 0)),
};

/** Zero wherever the mask is not (or is) 1. */
function masked({ e }: Scope, { mask }: SelectLayer, value: Value, where: boolean): Value {
  const factor = where ? mask : { dims: mask.dims, data: mask.data.map((v) => 1 - v) };
  return e.mul(value, e.weights(withBatch(factor)));
}
