import type { Expansion } from "./writer.js";

/** `gelu(x + bias)` as onnxruntime fuses it; the bias may be missing. */
export const biasGelu =
  (approximate: "none" | "tanh"): Expansion =>
  (w) => {
    w.refuseBeyond(2, 1);
    const bias = w.input(1);
    const x = bias ? w.op("Add", [w.needed(0), bias]) : w.needed(0);
    w.op("Gelu", [x], { approximate }, w.node.outputs[0]);
  };

/** `x · sigmoid(α x)`. */
export const quickGelu: Expansion = (w) => {
  const x = w.needed(0);
  const gate = w.op("Sigmoid", [w.op("Mul", [x, w.number(w.node.float("alpha", 1.702))])]);
  w.op("Mul", [x, gate], {}, w.node.outputs[0]);
};
