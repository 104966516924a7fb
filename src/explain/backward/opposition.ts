import { isWeighted, readsOwnWindow } from "../layers/linear.js";
import type { Layer, Network } from "../network/network.js";
import { rectifiedIds } from "./rectified.js";
import { nonNegativeIds } from "./structure.js";
import { visibleShares } from "./visible-share.js";

/**
 * λ of the layers that do not pass on all of what speaks against a neuron: those with weights of their own whose input cannot be
 * negative and whose output is rectified. Of all others it is 1.
 */
export function oppositions(network: Network, rule: (seen: number) => number): ReadonlyMap<Layer, number> {
  const shares = visibleShares(network);
  const nonNegative = nonNegativeIds(network);
  const rectified = rectifiedIds(network);
  return new Map(
    network.layers
      .filter(({ inputs, outputs }) => nonNegative.has(inputs[0]!) && rectified.has(outputs[0]!))
      .filter((layer) => isWeighted(layer) && readsOwnWindow(layer))
      .map((layer) => [layer, rule(shares.get(layer.outputs[0]!)!)]),
  );
}
