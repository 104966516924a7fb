import { elements, type Network } from "../network/network.js";

/** Elements of all activations of a frame. */
export function activationsOf({ shapes }: Network): number {
  let sum = 0;
  for (const dims of shapes.values()) sum += elements(dims);
  return sum;
}
