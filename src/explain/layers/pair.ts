import type { PairLayer } from "../network/network.js";
import type { Opaque } from "./layer.js";

/** Every pair is told to be something else, or refused, before a program is made. */
export const pair: Opaque<PairLayer> = {
  family: "opaque",
  forward() {
    throw new Error("an operator on two tensors that no transform knew reached the compiler");
  },
};
