import { float32, type Importer, type Node, type OperatorImport } from "../importer.js";
import type { Constant } from "../tensor.js";
import { windowOf } from "./window.js";

export const Conv: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const weight = importer.weight(node, 1, "kernel");
  const bias = node.inputs[2] ? importer.weight(node, 2, "bias") : undefined;
  const shape = importer.shape(x);
  const { output, extra: _, ...window } = windowOf(importer, node, shape, weight.dims.slice(2));
  const groups = node.int("group", 1);
  const [out, perGroup] = weight.dims as [number, number];
  const stated = node.ints("kernel_shape") ?? window.kernel;
  if (stated.join() !== window.kernel.join() || (bias && bias.data.length !== out))
    importer.refuse(node, `its kernel [${weight.dims.join(", ")}] fits neither its kernel_shape nor its bias`);
  if (groups < 1 || perGroup * groups !== shape[1] || out % groups !== 0)
    importer.refuse(
      node,
      `its kernel [${weight.dims.join(", ")}] with ${groups} group(s) does not fit an input of ${shape[1]} channels`,
    );
  importer.push(node, "conv", [x], [[-1, out, ...output]], {
    ...window,
    groups,
    weight: { dims: weight.dims, data: float32(weight) },
    bias: bias && float32(bias),
  });
};

export const Gemm: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const weight = importer.weight(node, 1, "weight");
  const bias = node.inputs[2] ? importer.weight(node, 2, "bias") : undefined;
  if (node.int("transA", 0)) importer.refuse(node, "its input is transposed across the batch (transA)");
  if (weight.dims.length !== 2)
    importer.refuse(node, `its weight has dims [${weight.dims.join(", ")}], and a matrix is needed`);
  const outFirst = node.int("transB", 0) === 1;
  const [inputs, out] = (outFirst ? weight.dims.toReversed() : weight.dims) as [number, number];
  const alpha = node.float("alpha", 1);
  const beta = node.float("beta", 1);
  const shape = importer.shape(x);
  if (shape.length !== 2 || shape[1] !== inputs)
    importer.refuse(
      node,
      `its weight [${weight.dims.join(", ")}] does not fit an input of dims [N, ${shape.slice(1).join(", ")}]`,
    );
  if (bias && bias.data.length !== 1 && bias.data.length !== out)
    importer.refuse(node, `its bias has ${bias.data.length} numbers for ${out} outputs`);
  const full = bias && Float32Array.from({ length: out }, (_, k) => beta * bias.data[bias.data.length === 1 ? 0 : k]!);
  importer.push(node, "dense", [x], [[-1, out]], {
    weight: {
      dims: weight.dims,
      data: alpha === 1 ? float32(weight) : Float32Array.from(weight.data, (v) => v * alpha),
    },
    bias: full,
    ...(outFirst && { outFirst }),
  });
};

export const MatMul: OperatorImport = (importer: Importer, node: Node) => {
  if (importer.isTensor(node, 1))
    importer.refuse(
      node,
      "it multiplies two tensors that both depend on the picture (attention); a constant weight is needed",
    );
  const x = importer.tensor(node, 0);
  const weight = importer.weight(node, 1, "weight");
  const shape = importer.shape(x);
  // One matrix for all, held below axes of length 1.
  const held = weight.dims.length <= shape.length ? weight.dims.slice(0, -2) : [];
  const dims = held.every((d) => d === 1) ? weight.dims.slice(held.length) : weight.dims;
  if (dims.length !== 2 || shape.at(-1) !== dims[0])
    importer.refuse(
      node,
      `its weight [${weight.dims.join(", ")}] does not fit an input of dims [N, ${shape.slice(1).join(", ")}]`,
    );
  importer.push(node, "dense", [x], [[...shape.slice(0, -1), dims[1]!]], {
    weight: { dims, data: float32(weight) },
  });
};

/** `y = (x − mean) / √(variance + ε) · γ + β` with constants: a scale per channel (ε is the node's own). */
export const BatchNormalization: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((k) => importer.weight(node, k, "statistics")) as [
    Constant,
    Constant,
    Constant,
    Constant,
  ];
  // Before opset 14 the statistics of the batch as further outputs meant training.
  if (node.int("training_mode", 0) || (importer.opset < 14 && node.outputs.slice(1).some((name) => name !== "")))
    importer.refuse(node, "it is in training mode; export the model for inference (model.eval())");
  const epsilon = node.float("epsilon", 1e-5);
  const shape = importer.shape(x);
  const channels = gamma.data.length;
  if ([beta, mean, variance].some((c) => c.data.length !== channels) || shape[1] !== channels)
    importer.refuse(node, `its ${channels} factors do not fit an input of dims [N, ${shape.slice(1).join(", ")}]`);
  const factor = Float32Array.from(
    { length: channels },
    (_, c) => gamma.data[c]! / Math.sqrt(variance.data[c]! + epsilon),
  );
  const shift = Float32Array.from(
    { length: channels },
    (_, c) => beta.data[c]! - (mean.data[c]! * gamma.data[c]!) / Math.sqrt(variance.data[c]! + epsilon),
  );
  const dims = [channels, ...new Array<number>(shape.length - 2).fill(1)];
  importer.push(node, "scale", [x], [shape], { factor: { dims, data: factor }, shift: { dims, data: shift } });
};
