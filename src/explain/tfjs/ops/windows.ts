import { transposeConstant } from "../../onnx/arrays.js";
import type { Name } from "../../tensorflow/onnx-graph.js";
import { depthwiseKernel } from "../layers/convolutions.js";
import type { Op, OpTranslation } from "./op.js";

/** Height and width out of numbers for each axis of a picture. */
const spatial = (op: Op, values: readonly number[], fallback: number): [number, number] => {
  const at = op.channelsLast ? 1 : 2;
  return values.length === 4 ? [values[at]!, values[at + 1]!] : [fallback, fallback];
};

function padding(op: Op): { auto_pad: string } | { pads: number[] } {
  const given = op.text("padding", "VALID");
  if (given === "SAME") return { auto_pad: "SAME_UPPER" };
  if (given === "VALID") return { auto_pad: "VALID" };
  const explicit = op.ints("explicit_paddings");
  if (given !== "EXPLICIT" || explicit.length !== 8) return op.graph.refuse(`its padding ${given} is not known`);
  const at = op.channelsLast ? 2 : 4;
  return { pads: [explicit[at]!, explicit[at + 2]!, explicit[at + 1]!, explicit[at + 3]!] };
}

const window = (op: Op) => ({
  strides: spatial(op, op.ints("strides"), 1),
  dilations: spatial(op, op.ints("dilations"), 1),
  ...padding(op),
});

/** A convolution without what is fused to it; `attributes` may take the place of its own. */
export function convolved(op: Op, x: Name, attributes: Record<string, number | string | number[]> = window(op)): Name {
  const { graph } = op;
  const kernel = op.constant(1, "kernel");
  const depthwise = op.kind.includes("Depthwise");
  const weight = depthwise ? depthwiseKernel(kernel) : transposeConstant(kernel, [3, 2, 0, 1]);
  return graph.channelsFirst(x, op.channelsLast, (first) =>
    graph.one("Conv", [first, graph.constant(weight)], {
      ...attributes,
      ...(depthwise && { group: kernel.dims[2]! }),
    }),
  );
}

const Conv2DBackpropInput: OpTranslation = (op) => {
  const { graph } = op;
  const { strides, dilations, ...pads } = window(op);
  const kernel = op.constant(1, "kernel");
  const weight = graph.constant(transposeConstant(kernel, [3, 2, 0, 1]));
  const size = graph.constantAt(op.inputs[0]!);
  const shape = size ? spatial(op, Array.from(size.data), 0) : undefined;
  // A size that follows from the picture's is what Keras makes it: the stride is covered where the kernel is shorter.
  const short = [0, 1].map((k) => Math.max(0, strides[k]! - (dilations[k]! * (kernel.dims[k]! - 1) + 1)));
  const valid = "auto_pad" in pads && pads.auto_pad === "VALID";
  const extent: Record<string, [number, number] | number[]> = shape
    ? { output_shape: shape }
    : { output_padding: valid ? short : [0, 0] };
  return graph.channelsFirst(op.inputs[2]!, op.channelsLast, (x) =>
    graph.one("ConvTranspose", [x, weight], {
      strides,
      dilations,
      ...pads,
      ...extent,
    }),
  );
};

const pool =
  (name: string): OpTranslation =>
  (op) => {
    const attributes = {
      kernel_shape: spatial(op, op.ints("ksize"), 1),
      strides: spatial(op, op.ints("strides"), 1),
      ...padding(op),
    };
    return op.graph.channelsFirst(op.first, op.channelsLast, (x) => op.graph.one(name, [x], attributes));
  };

/**
 * A dilated convolution as TensorFlow writes it: blocks moved into the batch, a plain convolution, blocks moved back. The
 * margins of the first less the cropping of the last are the padding.
 */
const BatchToSpaceND: OpTranslation = (op) => {
  const { graph } = op;
  const conv = op.maker(0);
  const blocks = conv?.maker(0);
  if ((conv?.kind !== "Conv2D" && conv?.kind !== "DepthwiseConv2dNative") || blocks?.kind !== "SpaceToBatchND")
    return graph.refuse("it moves blocks out of the batch, which is known only around a convolution");
  const [size, before, after] = [
    blocks.constant(1, "block size").data,
    blocks.constant(2, "padding").data,
    op.constant(2, "cropping").data,
  ];
  if (conv.text("padding", "VALID") !== "VALID" || conv.ints("strides").some((s) => s !== 1) || size.length !== 2)
    return graph.refuse("the convolution between its blocks has padding or strides of its own");
  const pads = [0, 2, 1, 3].map((k) => before[k]! - after[k]!);
  if (pads.some((p) => p < 0)) return graph.refuse("it crops more than was padded");
  return convolved(conv, blocks.first, { dilations: [size[0]!, size[1]!], pads });
};

/** Written together with the convolution behind it. */
const SpaceToBatchND: OpTranslation = (op) => op.first;

export const WINDOWS: Record<string, OpTranslation> = {
  AvgPool: pool("AveragePool"),
  BatchToSpaceND,
  Conv2D: (op) => convolved(op, op.first),
  Conv2DBackpropInput,
  DepthwiseConv2dNative: (op) => convolved(op, op.first),
  MaxPool: pool("MaxPool"),
  SpaceToBatchND,
};
