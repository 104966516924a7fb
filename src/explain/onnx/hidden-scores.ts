import { type Layer, readers, type TensorId, type Weights } from "../network/network.js";
import { firstNotFinite } from "./finite.js";
import type { Importer, Node } from "./importer.js";

/** Stands for −∞, as far as a sum with it stays finite. */
const NOTHING = -3e38;

/** A mask that holds NOTHING in place of −∞; undefined where it holds none, or other numbers that are not finite. */
function finiteMask({ dims, data }: Weights): Weights | undefined {
  const hides = data.includes(Number.NEGATIVE_INFINITY);
  if (!hides || !data.every((v) => v === Number.NEGATIVE_INFINITY || Number.isFinite(v))) return undefined;
  return { dims, data: data.map((v) => (v === Number.NEGATIVE_INFINITY ? NOTHING : v)) };
}

/** Writes NOTHING for −∞ in what layers from `from` on add to scores or put in their place; `refuseShown` looks what reads those. */
export function hideScores(importer: Importer, node: Node, from: number): void {
  importer.layers.slice(from).forEach((layer, k) => {
    const mask = layer.kind === "scale" ? layer.shift : layer.kind === "select" ? layer.other : undefined;
    const finite = mask && finiteMask(mask);
    if (!finite) return;
    importer.budget.take(importer, node, finite.data.length);
    const hidden = withMask(layer, finite);
    importer.layers[from + k] = hidden;
    importer.hidden.push({ node, layer: hidden, mask });
  });
}

function withMask(layer: Layer, mask: Weights): Layer {
  if (layer.kind === "scale") return { ...layer, shift: mask };
  return layer.kind === "select" ? { ...layer, other: mask } : layer;
}

/**
 * Looks whether a softmax is all that reads hidden scores.
 * @param output of the network
 * @throws ModelError where something else would compute with −∞, or where all scores of a row are hidden
 */
export function refuseShown(importer: Importer, output: TensorId): void {
  const reading = readers({ layers: importer.layers, output });
  for (const { node, layer, mask } of importer.hidden) {
    const { value, at } = firstNotFinite(mask.data);
    const shown = (): never =>
      importer.refuse(node, `it hides scores with ${value} (position ${at}), and not only a softmax inside reads them`);
    const length = importer.shape(layer.outputs[0]!).at(-1)!;
    const open = [...layer.outputs];
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      const all = reading.get(id) ?? shown();
      if (id === output) shown();
      for (const reader of all) {
        const shape = importer.shape(reader.outputs[0]!);
        if (reader.kind !== "softmax") {
          if (keepsRows(reader) && shape.at(-1) === length) open.push(...reader.outputs);
          else shown();
        } else if (reader.log || reader.axis !== shape.length - 1 || isScores(reader, output, reading)) shown();
      }
    }
    if (hidesRow(mask, length)) importer.refuse(node, "it hides all scores of a row from a softmax, which leaves none");
  }
}

/** Kinds that neither compute with scores nor take rows apart that are as long as before. */
const keepsRows = (layer: Layer): boolean =>
  layer.kind === "reshape" ||
  layer.kind === "add" ||
  layer.kind === "select" ||
  (layer.kind === "scale" && !layer.factor);

/** Whether a softmax gives the probabilities of the classes. */
function isScores(softmax: Layer, output: TensorId, reading: ReadonlyMap<TensorId, readonly Layer[]>): boolean {
  let id = softmax.outputs[0]!;
  for (let [reader] = reading.get(id) ?? []; reader?.kind === "reshape"; [reader] = reading.get(id) ?? [])
    id = reader.outputs[0]!;
  return id === output;
}

function hidesRow({ dims, data }: Weights, length: number): boolean {
  const row = dims.at(-1) === length ? length : 1;
  for (let start = 0; start < data.length; start += row)
    if (data.subarray(start, start + row).every((v) => v === Number.NEGATIVE_INFINITY)) return true;
  return false;
}
