import { axisIn } from "../importer.js";
import type { Expansion, Writer } from "./writer.js";

/** `x / √(mean(x²) + ε) · γ` over the axes from `axis` on. */
function rootMeanSquareNorm(w: Writer, x: string, gamma: string, axes: readonly number[], output?: string): void {
  const epsilon = w.number(w.node.float("epsilon", 1e-5));
  const mean = w.op("ReduceMean", [w.op("Mul", [x, x]), w.ints(axes)]);
  const inverse = w.op("Reciprocal", [w.op("Sqrt", [w.op("Add", [mean, epsilon])])]);
  w.op("Mul", [w.op("Mul", [x, inverse]), gamma], {}, output);
}

export const RMSNormalization: Expansion = (w) => {
  w.refuseBeyond(2, 1);
  const rank = w.dims(0).length;
  const from = axisIn(w.importer, w.node, w.node.int("axis", -1), rank);
  const axes = Array.from({ length: rank - from }, (_, k) => from + k);
  rootMeanSquareNorm(w, w.needed(0), w.needed(1), axes, w.node.outputs[0]);
};

/** The sum of a branch, its bias and the other branch, which further layers may read as the fourth output. */
function skipSum(w: Writer, bias: string | undefined): string {
  const branch = bias ? w.op("Add", [w.needed(0), bias]) : w.needed(0);
  return w.op("Add", [branch, w.needed(1)], {}, w.node.outputs[3] || undefined);
}

function refuseStatistics(w: Writer): void {
  if (w.node.outputs.slice(1, 3).some((name) => name !== ""))
    w.importer.refuse(w.node, "its mean or deviation is used");
}

/** A skip connection and a layer norm behind it. */
export const SkipLayerNormalization: Expansion = (w) => {
  refuseStatistics(w);
  const sum = skipSum(w, w.input(4));
  const beta = w.input(3);
  const affine = [w.needed(2), ...(beta ? [beta] : [])];
  w.op("LayerNormalization", [sum, ...affine], { epsilon: w.node.float("epsilon", 1e-12) }, w.node.outputs[0]);
};

/** A skip connection and a norm by the root mean square behind it. */
export const SkipSimplifiedLayerNormalization: Expansion = (w) => {
  refuseStatistics(w);
  rootMeanSquareNorm(w, skipSum(w, w.input(3)), w.needed(2), [-1], w.node.outputs[0]);
};
