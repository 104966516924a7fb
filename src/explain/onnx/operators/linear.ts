import { float32, type Importer, type Node, type OperatorImport } from "../importer.js";
import type { Constant } from "../tensor.js";
import { networkAxes, shownDims } from "../view.js";
import { windowOf } from "./window.js";

/** A convolution over lines is one over planes of height 1; over parts of each frame, one in so many groups more. */
export const Conv: OperatorImport = (importer: Importer, node: Node) => {
  const view = importer.view(node, 0);
  const weight = importer.weight(node, 1, "kernel");
  const bias = node.inputs[2] ? importer.weight(node, 2, "bias") : undefined;
  const line = weight.dims.length === 3 && view.dims.length === 3;
  const parts = view.place.axis === 0 && view.place.outer === 1 ? view.place.inner : 1;
  const own = importer.shape(parts > 1 ? view.id : importer.tensor(node, 0)).slice(parts > 1 ? 2 : 1);
  const [channels, ...size] = [own[0]!, ...(line ? [1] : []), ...own.slice(1)];
  const shape = [-1, channels! * parts, ...size];
  const [out, perGroup, ...given] = weight.dims as [number, number, ...number[]];
  const kernel = line ? [1, ...given] : given;
  const { output, extra: _, ...window } = windowOf(importer, node, shape, kernel, line);
  const groups = node.int("group", 1);
  const stated = node.ints("kernel_shape") ?? given;
  if (stated.join() !== given.join() || (bias && bias.data.length !== out))
    importer.refuse(node, `its kernel [${weight.dims.join(", ")}] fits neither its kernel_shape nor its bias`);
  if (groups < 1 || perGroup * groups !== channels || out % groups !== 0)
    importer.refuse(
      node,
      `its kernel [${weight.dims.join(", ")}] with ${groups} group(s) does not fit an input of ${channels} channels`,
    );
  const apart = line || parts > 1;
  if (parts > 1) importer.budget.take(importer, node, parts * weight.data.length);
  const x = apart ? importer.push(node, "reshape", [view.id], [shape], {})[0]! : view.id;
  const dims = [-1, parts * out, ...output];
  const conv = importer.push(node, "conv", [x], [dims], {
    ...window,
    groups: groups * parts,
    weight: { dims: [parts * out, perGroup, ...kernel], data: copies(float32(weight), parts) },
    bias: bias && copies(float32(bias), parts),
  });
  if (!apart) return;
  const left = [-1, ...(parts > 1 ? [parts] : []), out, ...output.slice(line ? 1 : 0)];
  importer.push(node, "reshape", conv, [left], {}, view.place);
};

/** Numbers so many times in a row. */
function copies(data: Float32Array, times: number): Float32Array {
  if (times === 1) return data;
  const all = new Float32Array(times * data.length);
  for (let k = 0; k < times; k++) all.set(data, k * data.length);
  return all;
}

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
