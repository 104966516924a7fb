import { transposeInto } from "../strides.js";
import { Builder } from "./builder.js";
import type { ElementStep, Layer, Network, TensorId, Weights } from "./network.js";

/** A tensor as the transpose of another: axis k of it is axis `permutation[k]` of `base`. */
interface View {
  base: TensorId;
  permutation: readonly number[];
}

/**
 * Moves transposes towards the output through layers that work alike on any order of axes, so that those which undo each
 * other vanish: networks of channels last come with two around every convolution. No map changes: R-LRP's rules do not
 * depend on the order of elements.
 */
export function cancelTransposes(network: Network): Network {
  if (!network.layers.some((l) => l.kind === "transpose")) return network;
  const pass = new Pass(network);
  for (const layer of network.layers) pass.visit(layer);
  return pass.finish();
}

const isIdentity = (p: readonly number[]): boolean => p.every((axis, k) => axis === k);

class Pass {
  #build: Builder;
  #views = new Map<TensorId, View>();
  #made = new Map<string, TensorId>();

  constructor(readonly network: Network) {
    this.#build = new Builder(network);
  }

  #shape(id: TensorId): readonly number[] {
    return this.#build.shape(id);
  }
  #view(id: TensorId): View {
    return this.#views.get(id) ?? { base: id, permutation: this.network.shapes.get(id)!.map((_, k) => k) };
  }

  visit(layer: Layer): void {
    if (layer.kind === "transpose") {
      const { base, permutation } = this.#view(layer.inputs[0]!);
      this.#views.set(layer.outputs[0]!, { base, permutation: layer.permutation.map((k) => permutation[k]!) });
      return;
    }
    const views = layer.inputs.map((id) => this.#view(id));
    const [first] = views as [View];
    const alike = views.every((v) => v.permutation.join() === first.permutation.join());
    const moved = alike && !isIdentity(first.permutation) ? this.#moved(layer, views, first.permutation) : undefined;
    if (!moved) this.#build.push({ ...layer, inputs: layer.inputs.map((id) => this.#plain(layer, id)) });
  }

  finish(): Network {
    const { network } = this;
    const last = network.layers.find((l) => l.outputs.includes(network.output))!;
    return { ...this.#build.network(), output: this.#plain(last, network.output) };
  }

  /** The tensor itself, its transpose written where it is only a view. */
  #plain(layer: Layer, id: TensorId): TensorId {
    const { base, permutation } = this.#view(id);
    if (isIdentity(permutation)) return base;
    const key = `${base}|${permutation.join()}`;
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const shape = this.#shape(base);
    const output = this.#build.tensor(permutation.map((k) => shape[k]!));
    // Axes of length 1 can stand anywhere: moving them alone keeps the order of elements.
    const long = permutation.filter((k) => shape[k] !== 1);
    const keepsOrder = long.every((k, at) => at === 0 || long[at - 1]! < k);
    const base_ = { name: layer.name, operator: "Transpose", inputs: [base], outputs: [output] };
    this.#build.push(
      keepsOrder ? { ...base_, kind: "reshape" } : { ...base_, kind: "transpose", permutation: [...permutation] },
    );
    this.#made.set(key, output);
    return output;
  }

  /** Writes the layer on the untransposed tensors, its results views of what it makes; undefined where it cannot be. */
  #moved(layer: Layer, views: readonly View[], permutation: readonly number[]): true | undefined {
    const remapped = remap(layer, permutation);
    if (!remapped) return undefined;
    // A mean that drops its axes leaves the others in the order that they have in either tensor.
    const dropped = layer.kind === "mean" && !layer.keepDims ? layer.axes : [];
    const kept = permutation.filter((_, k) => !dropped.includes(k));
    const order = kept.toSorted((a, b) => a - b);
    const view = kept.map((axis) => order.indexOf(axis));
    const outputs = layer.outputs.map((id) => {
      const shape = this.network.shapes.get(id)!;
      const base = this.#build.tensor(view.map((_, k) => shape[view.indexOf(k)]!));
      this.#views.set(id, { base, permutation: view });
      return base;
    });
    this.#build.push({ ...remapped, inputs: views.map((v) => v.base), outputs });
    return true;
  }
}

/** The layer as it works on tensors before `permutation`; undefined for kinds that depend on the order of axes. */
function remap(layer: Layer, permutation: readonly number[]): Layer | undefined {
  const axis = (k: number): number => permutation[k]!;
  const weights = <W extends Weights | undefined>(w: W): W => (w ? (turned(w, permutation) as W) : w);
  const spread = (values: readonly number[]): number[] => values.map((_, k) => values[permutation.indexOf(k)]!);
  switch (layer.kind) {
    case "add":
    // What the factors of a product are is not told yet.
    case "pair":
    case "rounding":
      return layer;
    case "activation":
      return { ...layer, steps: layer.steps.map((step) => turnedStep(step, permutation)) };
    case "scale":
      return { ...layer, factor: weights(layer.factor), shift: weights(layer.shift) };
    case "norm":
      return { ...layer, axes: layer.axes.map(axis), factor: weights(layer.factor), shift: weights(layer.shift) };
    case "concat":
    case "split":
    case "softmax":
    case "gather":
      return { ...layer, axis: axis(layer.axis) };
    case "slice":
      return { ...layer, axes: layer.axes.map(axis) };
    case "pad":
      return { ...layer, before: spread(layer.before), after: spread(layer.after) };
    case "mean":
      return { ...layer, axes: layer.axes.map(axis).sort((a, b) => a - b) };
    default:
      return undefined;
  }
}

/** A constant that broadcasts against a transposed tensor, as it broadcasts against the tensor itself; no batch axis. */
function turned(w: Weights, permutation: readonly number[]): Weights {
  if (w.data.length === 1) return { dims: [], data: w.data };
  const rank = permutation.length - 1;
  const dims = [...new Array<number>(rank - w.dims.length).fill(1), ...w.dims];
  const inverse = permutation.map((_, k) => permutation.indexOf(k)).slice(1);
  const data = new Float32Array(w.data.length);
  const order = inverse.map((k) => k - 1);
  return { dims: transposeInto(data, w.data, dims, order), data };
}

const turnedStep = (step: ElementStep, permutation: readonly number[]): ElementStep => ({
  ...step,
  operands: step.operands.map((o) => (typeof o === "number" ? o : turned(o, permutation))),
});
