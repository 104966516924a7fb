import { emitLayer } from "../layers/forward.js";
import { type Scope, shapeOf } from "../layers/scope.js";
import { type Layer, makers, type TensorId } from "../network/network.js";
import type { InputBounds } from "../program/bounds.js";
import type { Value } from "../program/emitter.js";

/** Pixel 0 and pixel 255 as they arrive at the tensors made of pixels. */
export class InputBoundsPropagation {
  #known: Map<TensorId, InputBounds>;
  #makers: Map<TensorId, Layer>;

  constructor(
    readonly scope: Scope,
    input: InputBounds,
  ) {
    this.#known = new Map([[scope.network.input, input]]);
    this.#makers = makers(scope.network);
  }

  /** Broadcastable against the tensor. */
  at(id: TensorId): InputBounds {
    for (const layer of this.#below(id)) this.#emit(layer);
    return this.#known.get(id)!;
  }

  /** The layers that a tensor is made by and whose bounds are not known, in order. */
  #below(id: TensorId): Layer[] {
    const needed = new Set<Layer>();
    const open = [id];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const layer = this.#known.has(at) ? undefined : this.#makers.get(at);
      if (!layer || needed.has(layer)) continue;
      needed.add(layer);
      open.push(...layer.inputs);
    }
    return needed.size === 0 ? [] : this.scope.network.layers.filter((layer) => needed.has(layer));
  }

  #emit(layer: Layer): void {
    const { scope } = this;
    // Of a scale of the frame's own a single pixel knows nothing, and it leaves all in their place.
    if (layer.kind === "rounding" && layer.scale === undefined) {
      this.#known.set(layer.outputs[0]!, this.#known.get(layer.inputs[0]!)!);
      return;
    }
    const keepsDims = layer.kind === "scale" || layer.kind === "activation" || layer.kind === "rounding";
    const through = (end: "low" | "high"): Value[] => {
      const values = layer.inputs.map((input): [TensorId, Value] => {
        const value = this.#known.get(input)![end];
        const dims = [1, ...shapeOf(scope, input).slice(1)];
        return [input, keepsDims ? value : scope.e.op("Expand", [value, scope.e.ints(dims)])];
      });
      return emitLayer({ ...scope, values: new Map(values) }, layer);
    };
    const [low, high] = [through("low"), through("high")];
    layer.outputs.forEach((id, k) => {
      this.#known.set(id, { low: low[k]!, high: high[k]! });
    });
  }
}
