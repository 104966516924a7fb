import { float32, type Importer, type Node, type OperatorImport } from "../importer.js";
import type { Constant } from "../tensor.js";
import { networkAxes, shownDims } from "../view.js";
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

/** `y = (x − mean) / √(variance + ε) · γ + β` with constants: a scale per channel (ε is the node's own). */
export const BatchNormalization: OperatorImport = (importer: Importer, node: Node) => {
  const view = importer.view(node, 0);
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
  const channels = gamma.data.length;
  if (
    [beta, mean, variance].some((c) => c.data.length !== channels) ||
    view.dims[1] !== channels ||
    view.place.axis === 1
  )
    importer.refuse(node, `its ${channels} factors do not fit an input of dims ${shownDims(view)}`);
  const factor = Float32Array.from(
    { length: channels },
    (_, c) => gamma.data[c]! / Math.sqrt(variance.data[c]! + epsilon),
  );
  const shift = Float32Array.from(
    { length: channels },
    (_, c) => beta.data[c]! - (mean.data[c]! * gamma.data[c]!) / Math.sqrt(variance.data[c]! + epsilon),
  );
  const shape = importer.shape(view.id);
  const dims = [channels, ...new Array<number>(shape.length - 1 - networkAxes(view, 1)[0]!).fill(1)];
  importer.push(
    node,
    "scale",
    [view.id],
    [shape],
    { factor: { dims, data: factor }, shift: { dims, data: shift } },
    view.place,
  );
};
