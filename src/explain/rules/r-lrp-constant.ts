import type { LinearRule } from "./rule.js";

/** `d_j = s(z_j)`: no per-neuron division at all. */
export const rLrpConstant: LinearRule = { name: "r-lrp-constant", smooth: true, denominator: () => undefined };
