import type { Weights } from "../../network/network.js";
import { axisIn, float32, type Importer, type Node, type OperatorImport } from "../importer.js";
import type { Constant } from "../tensor.js";
import { networkAxes } from "../view.js";
import { requireFit, withConstant } from "./broadcast.js";

const weights = (c: Constant, dims: readonly number[] = c.dims): Weights => ({ dims, data: float32(c) });

/** `(x − mean) / √(variance + ε) · γ + β` over all axes from `axis` on. */
export const LayerNormalization: OperatorImport = (importer: Importer, node: Node) => {
  const view = importer.view(node, 0);
  const from = axisIn(importer, node, node.int("axis", -1), view.dims.length);
  if (from <= view.place.axis) importer.refuse(node, "it normalises over the batch");
  if (node.outputs.slice(1).some((name) => name !== "")) importer.refuse(node, "its mean or deviation is used");
  const affine = (index: number, what: string): Weights => {
    const { constant } = withConstant(importer, node, view, importer.weight(node, index, what));
    requireFit(importer, node, view.id, constant.dims);
    return constant;
  };
  const factor = affine(1, "scale");
  const shift = node.inputs[2] ? affine(2, "bias") : undefined;
  const axes = view.dims.flatMap((_, k) => (k < from ? [] : networkAxes(view, k)));
  const epsilon = node.float("epsilon", 1e-5);
  const fields = { axes, epsilon, factor, ...(shift && { shift }) };
  importer.push(node, "norm", [view.id], [importer.shape(view.id)], fields, view.place);
};

/** γ and β as one number a channel of `[N, C, …]`. */
function perChannel(importer: Importer, node: Node, rank: number, channels: number) {
  const dims = [channels, ...new Array<number>(rank - 2).fill(1)];
  const [factor, shift] = [1, 2].map((k) => importer.weight(node, k, "scale or bias")) as [Constant, Constant];
  if (factor.data.length !== channels || shift.data.length !== channels)
    importer.refuse(node, `its ${factor.data.length} factors do not fit ${channels} channels`);
  return { factor: weights(factor, dims), shift: weights(shift, dims) };
}

/** Each channel of each frame over its own height and width. */
export const InstanceNormalization: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const shape = importer.shape(x);
  if (shape.length < 3) importer.refuse(node, `its input has ${shape.length} axes, and 3 or more are needed`);
  const axes = shape.map((_, k) => k).slice(2);
  const epsilon = node.float("epsilon", 1e-5);
  importer.push(node, "norm", [x], [shape], {
    axes,
    epsilon,
    ...perChannel(importer, node, shape.length, shape[1]!),
  });
};

/** Groups of channels of each frame; γ and β a channel, before opset 21 a group. */
export const GroupNormalization: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const shape = importer.shape(x);
  const [, channels, ...space] = shape as [number, number, ...number[]];
  const groups = node.int("num_groups", 0);
  if (!(groups >= 1 && channels % groups === 0))
    importer.refuse(node, `${groups} groups do not divide ${channels} channels`);
  const size = (channels / groups) * space.reduce((a, b) => a * b, 1);
  const grouped = importer.push(node, "reshape", [x], [[-1, groups, size]], {});
  const epsilon = node.float("epsilon", 1e-5);
  const norm = importer.push(node, "norm", grouped, [[-1, groups, size]], { axes: [2], epsilon });
  const apart = importer.push(node, "reshape", norm, [shape], {});
  const given = importer.weight(node, 1, "scale").data.length;
  if (given === groups && groups !== channels) {
    const each = (k: number): Weights => {
      const values = importer.weight(node, k, "scale or bias").data;
      const data = Float32Array.from({ length: channels }, (_, c) => values[Math.floor((c * groups) / channels)]!);
      return { dims: [channels, ...space.map(() => 1)], data };
    };
    importer.push(node, "scale", apart, [shape], { factor: each(1), shift: each(2) });
  } else importer.push(node, "scale", apart, [shape], perChannel(importer, node, shape.length, channels));
};

/** `y = x / (bias + α/n · Σ x²)^β`, the sum over `size` neighbouring channels. */
export const LRN: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const shape = importer.shape(x);
  const size = node.int("size", 0);
  if (!(size >= 1) || shape.length !== 4)
    importer.refuse(
      node,
      `its window of ${size} channels does not fit an input of dims [N, ${shape.slice(1).join(", ")}]`,
    );
  importer.push(node, "lrn", [x], [shape], {
    size,
    alpha: node.float("alpha", 1e-4),
    beta: node.float("beta", 0.75),
    bias: node.float("bias", 1),
  });
};
