import { isLinear, isWeighted } from "../layers/linear.js";
import { recordOf } from "../layers/registry.js";
import { crossedInputs, type Layer, type Network, type TensorId } from "../network/network.js";

/** What follows from a network's structure alone. */

/** Tensors with only layers that are crossed between them and the picture. */
function reached(network: Network, crosses: (layer: Layer) => boolean): Set<TensorId> {
  const found = new Set<TensorId>([network.input]);
  for (const layer of network.layers)
    if (crosses(layer) && crossedInputs(layer).every((id) => found.has(id)))
      for (const id of layer.outputs) found.add(id);
  return found;
}

/** Tensors with only one-to-one or reindexing layers between them and the picture: what reads them has an input rule. */
export const madeOfPixels = (network: Network): Set<TensorId> =>
  reached(network, (layer) => /^(one-to-one|reindexing)$/.test(recordOf(layer).family));

/** Weighted layers that read the picture and so take the input rule. */
export function pictureReaders(network: Network): Set<Layer> {
  const pixels = madeOfPixels(network);
  return new Set(network.layers.filter((layer) => isWeighted(layer) && pixels.has(layer.inputs[0]!)));
}

/** Tensors with no linear layer between them and the picture: relevance keeps its sign there. */
export const beforeFirstLinear = (network: Network): Set<TensorId> =>
  reached(network, (layer) => !isLinear(layer) && recordOf(layer).family !== "bilinear");

/** How many layers read a tensor, each counted once a reading; being the scores counts as well. */
export const readings = ({ layers, output }: Network, id: TensorId): number =>
  layers.reduce((sum, layer) => sum + layer.inputs.filter((i) => i === id).length, id === output ? 1 : 0);

/** Tensors that cannot be negative, so that |t| is t. */
export function nonNegativeIds(network: Network): Set<TensorId> {
  const known = new Set<TensorId>();
  for (const layer of network.layers)
    if (endsAtZero(layer) || (keepsSign(layer) && layer.inputs.every((id) => known.has(id))))
      for (const id of layer.outputs) known.add(id);
  return known;
}

const NEVER_NEGATIVE = new Set(["Relu", "Sigmoid", "HardSigmoid"]);

function endsAtZero(layer: Layer): boolean {
  if (layer.kind === "rounding") return layer.scale !== undefined && layer.low >= 0;
  if (layer.kind !== "activation") return false;
  const { op, attributes } = layer.steps.at(-1)!;
  return NEVER_NEGATIVE.has(op) || (op === "Clip" && (attributes.min ?? -1) >= 0);
}

/** Whether inputs that are not negative give outputs that are not. */
function keepsSign(layer: Layer): boolean {
  switch (recordOf(layer).family) {
    case "averaging":
      return !("factor" in layer && layer.factor !== undefined);
    case "reindexing":
      if (layer.kind === "select") return !layer.other?.data.some((v) => v < 0);
      return layer.kind !== "pad" || layer.value >= 0;
    default:
      return layer.kind === "rounding" || /^(maximum|sum)$/.test(recordOf(layer).family);
  }
}
