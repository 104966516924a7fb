import type { Layer, Network, TensorId } from "../network/network.js";
import { readers } from "../network/network.js";

/**
 * Tensors of which only the positive part goes on: those that only ReLU or a clip at 0 or more read, or only sums and
 * roundings that are themselves only read so. The scores are none of them.
 */
export function rectifiedIds(network: Network): Set<TensorId> {
  const reading = readers(network);
  const known = new Set<TensorId>();
  const passes = (layer: Layer): boolean => layer.kind === "add" || layer.kind === "rounding";
  const cuts = (layer: Layer): boolean => cutsAtZero(layer) || (passes(layer) && known.has(layer.outputs[0]!));
  // Readers come after what they read, so each is known before.
  for (const layer of network.layers.toReversed())
    for (const id of layer.outputs) {
      const all = reading.get(id);
      if (all && id !== network.output && all.every(cuts)) known.add(id);
    }
  return known;
}

/** Whether a layer is ReLU or a clip that begins at `from`, or, where that is not given, anywhere at 0 or above. */
export const cutsAtZero = (layer: Layer, from?: number): boolean => {
  if (layer.kind !== "activation" || layer.steps.length !== 1) return false;
  const { op, attributes } = layer.steps[0]!;
  const begins = op === "Relu" ? 0 : op === "Clip" ? (attributes.min ?? -1) : -1;
  return from === undefined ? begins >= 0 : begins === from;
};
