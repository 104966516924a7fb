import { emitLayer } from "./layers/forward.js";
import { type Scope, shapeOf } from "./layers/scope.js";
import type { TensorId } from "./network/network.js";
import type { Value } from "./program/emitter.js";
import type { InputBounds } from "./rules/rule.js";

/** Pixel 0 and pixel 255 as they arrive at the tensors made of pixels. */
export class BoundsBelow {
  #known: Map<TensorId, InputBounds>;

  constructor(
    readonly scope: Scope,
    input: InputBounds,
  ) {
    this.#known = new Map([[scope.network.input, input]]);
  }

  /** Broadcastable against the tensor. */
  at(id: TensorId): InputBounds {
    const known = this.#known.get(id);
    if (known) return known;
    const { scope } = this;
    const layer = scope.network.layers.find((l) => l.outputs.includes(id))!;
    const keepsDims = layer.kind === "scale" || layer.kind === "activation";
    const through = (end: "low" | "high"): Value => {
      const values = layer.inputs.map((input): [TensorId, Value] => {
        const value = this.at(input)[end];
        const dims = [1, ...shapeOf(scope, input).slice(1)];
        return [input, keepsDims ? value : scope.e.op("Expand", [value, scope.e.ints(dims)])];
      });
      return emitLayer({ ...scope, values: new Map(values) }, layer)[layer.outputs.indexOf(id)]!;
    };
    const bounds = { low: through("low"), high: through("high") };
    this.#known.set(id, bounds);
    return bounds;
  }
}
