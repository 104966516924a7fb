import { transposeConstant } from "../../onnx/arrays.js";
import type { Constant } from "../../onnx/tensor.js";
import type { Name } from "../../tensorflow/onnx-graph.js";
import { activated } from "./activations.js";
import { channelsLast, flag, type LayerCall, type LayerTranslation, number, pair, text, weightOf } from "./layer.js";

const SAME = { same: "SAME_UPPER", valid: "VALID" } as Record<string, string>;

/** `auto_pad` of a Keras padding. */
export function padding(call: LayerCall): string {
  const given = text(call.config, "padding", "valid").toLowerCase();
  return (Object.hasOwn(SAME, given) && SAME[given]) || call.graph.refuse(`its padding "${given}" is not known`);
}

const window = (call: LayerCall) => ({
  strides: pair(call.config, "strides", [1, 1]),
  dilations: pair(call.config, "dilation_rate", [1, 1]),
  auto_pad: padding(call),
});

const biasOf = (call: LayerCall): Name[] =>
  flag(call.config, "use_bias", true) ? [call.graph.constant(weightOf(call, "bias"))] : [];

/** `[kh, kw, in / groups, out]` to `[out, in / groups, kh, kw]`. */
const kernelOf = (c: Constant): Constant => transposeConstant(c, [3, 2, 0, 1]);
/** `[kh, kw, in, multiplier]` to `[in · multiplier, 1, kh, kw]`. */
export function depthwiseKernel(c: Constant): Constant {
  const turned = transposeConstant(c, [2, 3, 0, 1]);
  const [inputs, multiplier, kh, kw] = turned.dims as [number, number, number, number];
  return { ...turned, dims: [inputs * multiplier, 1, kh, kw] };
}

function convolved(call: LayerCall, x: Name, weight: Constant, bias: Name[], attributes: object): Name {
  const { graph, config } = call;
  return graph.channelsFirst(x, channelsLast(config), (first) =>
    graph.one("Conv", [first, graph.constant(weight), ...bias], attributes as Record<string, number>),
  );
}

const Conv2D: LayerTranslation = (call) => {
  const attributes = { ...window(call), group: number(call.config, "groups", 1) };
  return activated(
    call,
    convolved(call, call.inputs[0]!, kernelOf(weightOf(call, "kernel")), biasOf(call), attributes),
  );
};

const DepthwiseConv2D: LayerTranslation = (call) => {
  const kernel = weightOf(call, "depthwise_kernel", "kernel");
  const attributes = { ...window(call), group: kernel.dims[2]! };
  return activated(call, convolved(call, call.inputs[0]!, depthwiseKernel(kernel), biasOf(call), attributes));
};

const SeparableConv2D: LayerTranslation = (call) => {
  const kernel = weightOf(call, "depthwise_kernel");
  const attributes = { ...window(call), group: kernel.dims[2]! };
  const depth = convolved(call, call.inputs[0]!, depthwiseKernel(kernel), [], attributes);
  const point = convolved(call, depth, kernelOf(weightOf(call, "pointwise_kernel")), biasOf(call), {});
  return activated(call, point);
};

const Conv2DTranspose: LayerTranslation = (call) => {
  const { graph, config } = call;
  const kernel = weightOf(call, "kernel");
  const { strides, dilations, auto_pad } = window(call);
  const extra = config.output_padding;
  if (extra !== null && extra !== undefined) return graph.refuse("it has an output padding of its own");
  // Without padding TensorFlow makes the output as long as the stride where the kernel is shorter.
  const attributes = {
    strides,
    dilations,
    auto_pad,
    output_padding: [0, 1].map((k) =>
      auto_pad === "VALID" ? Math.max(0, strides[k]! - (dilations[k]! * (kernel.dims[k]! - 1) + 1)) : 0,
    ),
  };
  // [kh, kw, out, in] to [in, out, kh, kw].
  const weight = graph.constant(transposeConstant(kernel, [3, 2, 0, 1]));
  const bias = biasOf(call);
  const x = graph.channelsFirst(call.inputs[0]!, channelsLast(config), (first) =>
    graph.one("ConvTranspose", [first, weight, ...bias], attributes),
  );
  return activated(call, x);
};

const Dense: LayerTranslation = (call) => {
  const { graph } = call;
  const z = graph.one("MatMul", [call.inputs[0]!, graph.constant(weightOf(call, "kernel"))]);
  return activated(call, flag(call.config, "use_bias", true) ? graph.one("Add", [z, ...biasOf(call)]) : z);
};

export const CONVOLUTIONS: Record<string, LayerTranslation> = {
  Conv2D,
  Convolution2D: Conv2D,
  DepthwiseConv2D,
  SeparableConv2D,
  Conv2DTranspose,
  Dense,
};
