import { isFloating } from "../../onnx/tensor.js";
import type { Name } from "../../tensorflow/onnx-graph.js";
import { activated } from "../activations.js";
import { constantInput, first, input, isGiven, list, type Op, type OpTranslation, optionsOf } from "../op.js";

/** Fields of the options that a convolution or pool has, by their numbers. */
interface Fields {
  activation: number;
  dilations?: readonly [width: number, height: number];
}

const PADDINGS = ["SAME_UPPER", "VALID"];
const padding = (op: Op): string => {
  const code = optionsOf(op).int8(0);
  return PADDINGS[code] ?? op.graph.refuse(`its padding ${code} is not known`);
};
const strides = (op: Op): [number, number] => [optionsOf(op).int32(2), optionsOf(op).int32(1)];

/**
 * The bias of a linear operator. Whole numbers have the scale of the products that they are added to, `s(input) · s(weight)`.
 */
export function biasOf(op: Op, index: number): Name[] {
  if (!isGiven(op, index)) return [];
  const [x, weight, bias] = [op.tensors[0], op.tensors[1], op.tensors[index]];
  const [scale] = x?.quantisation?.scales ?? [];
  const scales = weight?.quantisation?.scales;
  const isWhole = bias?.type !== undefined && !isFloating(bias.type) && x?.type !== undefined && !isFloating(x.type);
  if (!isWhole || scale === undefined || !scales) return [input(op, index)];
  return [
    op.scaledConstant(
      index,
      scales.map((s) => s * scale),
    ),
  ];
}

/** `[out, kh, kw, in / groups]`, or `[1, kh, kw, out]` of a depthwise one, to `[out, in / groups, kh, kw]`. */
function convolved(op: Op, fields: Fields, order: readonly number[], group: number): Name {
  const { graph } = op;
  const options = optionsOf(op);
  const [width, height] = fields.dilations ?? [];
  const weight = graph.transpose(input(op, 1), order);
  const attributes = {
    strides: strides(op),
    dilations: [height, width].map((field) => (field === undefined ? 1 : options.int32(field, 1))),
    auto_pad: padding(op),
    group,
  };
  const bias = biasOf(op, 2);
  const x = graph.channelsFirst(first(op), true, (at) => graph.one("Conv", [at, weight, ...bias], attributes));
  return activated(op, x, fields.activation);
}

const CONV_2D: OpTranslation = (op) => {
  const kernel = constantInput(op, 1, "kernel").dims;
  const channels = op.tensors[0]?.dims.at(-1) ?? 0;
  const groups = channels / (kernel[3] ?? 0);
  if (kernel.length !== 4 || !Number.isInteger(groups))
    op.graph.refuse(`its kernel [${kernel.join(", ")}] does not fit an input of ${channels} channels`);
  return convolved(op, { activation: 3, dilations: [4, 5] }, [0, 3, 1, 2], groups);
};

const DEPTHWISE_CONV_2D: OpTranslation = (op) => {
  const kernel = constantInput(op, 1, "kernel").dims;
  const channels = op.tensors[0]?.dims.at(-1) ?? 0;
  if (kernel.length !== 4 || kernel[0] !== 1 || !Number.isInteger(kernel[3]! / channels))
    op.graph.refuse(`its kernel [${kernel.join(", ")}] does not fit an input of ${channels} channels`);
  return convolved(op, { activation: 4, dilations: [5, 6] }, [3, 0, 1, 2], channels);
};

const TRANSPOSE_CONV: OpTranslation = (op) => {
  const { graph } = op;
  const size = list(op, 0, "output size");
  constantInput(op, 1, "kernel");
  // [out, kh, kw, in] to [in, out, kh, kw].
  const weight = graph.transpose(input(op, 1), [3, 0, 1, 2]);
  const attributes = { strides: strides(op), auto_pad: padding(op), output_shape: size.slice(1, 3) };
  const bias = isGiven(op, 3) ? [transposedBias(op)] : [];
  const x = graph.channelsFirst(input(op, 2), true, (at) =>
    graph.one("ConvTranspose", [at, weight, ...bias], attributes),
  );
  return activated(op, x, 3);
};

/** The picture is the third input here. */
const transposedBias = (op: Op): Name =>
  biasOf({ ...op, tensors: [op.tensors[2], op.tensors[1], undefined, op.tensors[3]] }, 3)[0]!;

const pool =
  (name: string): OpTranslation =>
  (op) => {
    const attributes = {
      kernel_shape: [optionsOf(op).int32(4), optionsOf(op).int32(3)],
      strides: strides(op),
      auto_pad: padding(op),
    };
    const x = op.graph.channelsFirst(first(op), true, (at) => op.graph.one(name, [at], attributes));
    return activated(op, x, 5);
  };

/** Over neighbouring channels; TensorFlow counts those on either side, ONNX all of them. */
const LOCAL_RESPONSE_NORMALIZATION: OpTranslation = (op) => {
  const options = optionsOf(op);
  const size = 2 * options.int32(0) + 1;
  const attributes = {
    size,
    bias: { float: options.float32(1) },
    alpha: { float: options.float32(2) * size },
    beta: { float: options.float32(3) },
  };
  return op.graph.channelsFirst(first(op), true, (x) => op.graph.one("LRN", [x], attributes));
};

export const WINDOWS: Record<string, OpTranslation> = {
  AVERAGE_POOL_2D: pool("AveragePool"),
  CONV_2D,
  DEPTHWISE_CONV_2D,
  LOCAL_RESPONSE_NORMALIZATION,
  MAX_POOL_2D: pool("MaxPool"),
  TRANSPOSE_CONV,
};
