import { expansion } from "./expansion.js";
import type { Layer, Network, PairLayer, TensorId } from "./network.js";

/** A network under reconstruction: layers are pushed in order, new tensors made on the way. */
export class Builder {
  #layers: Layer[] = [];
  #shapes: Map<TensorId, readonly number[]>;
  #next: TensorId;

  constructor(readonly source: Network) {
    this.#shapes = new Map(source.shapes);
    this.#next = source.nextId;
  }

  push(...layers: Layer[]): void {
    this.#layers.push(...layers);
  }

  /** A tensor with the dims of another, copied along the axes that it lacks; itself where the dims are equal. */
  expanded(layer: Layer, id: TensorId, like: TensorId): TensorId {
    let at = id;
    for (const step of expansion(this.#shapes.get(id)!, this.#shapes.get(like)!)) {
      const output = this.tensor(step.dims);
      this.push({
        ...step.fields,
        name: layer.name,
        operator: layer.operator,
        inputs: [at],
        outputs: [output],
      } as Layer);
      at = output;
    }
    return at;
  }

  /** `(−1) · x`. */
  negated({ name, operator }: Layer, x: TensorId): TensorId {
    const output = this.tensor(this.#shapes.get(x)!);
    const factor = { dims: [], data: Float32Array.of(-1) };
    this.push({ kind: "scale", name, operator, inputs: [x], outputs: [output], factor });
    return output;
  }

  /** `a − b` as `a + (−1) · b`, each copied to the dims of the result. */
  difference(layer: PairLayer): Layer[] {
    const [a, b] = layer.inputs as [TensorId, TensorId];
    const { op: _, ...base } = layer;
    const output = layer.outputs[0]!;
    const terms = [a, this.negated(layer, b)].map((id) => this.expanded(layer, id, output));
    return [{ ...base, kind: "add", inputs: terms }];
  }

  shape(id: TensorId): readonly number[] {
    return this.#shapes.get(id)!;
  }

  /** A new tensor. */
  tensor(dims: readonly number[]): TensorId {
    const id = this.#next++;
    this.#shapes.set(id, dims);
    return id;
  }

  network(): Network {
    return { ...this.source, layers: this.#layers, shapes: this.#shapes, nextId: this.#next };
  }
}
