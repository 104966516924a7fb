import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { erf } from "./elementwise.js";
import { runForward } from "./forward.js";
import { relativeError } from "./golden.js";
import { readOnnx } from "./onnx-reader.js";
import { type AttributeInput, buildModel, type InitializerInput, type NodeInput } from "./onnx-writer.js";
import { sizeOf } from "./tensor.js";

/** Whole-number hash noise in (−1, 1): every value differs, and the same on every run. */
const noise = (n: number, seed: number): number[] =>
  Array.from({ length: n }, (_, k) => {
    const v = Math.sin((k + 1) * 12.9898 + seed * 78.233) * 43758.5453;
    return Math.fround(2 * (v - Math.floor(v)) - 1);
  });

const float = (dims: number[], seed = 1): InitializerInput => ({ dims, data: noise(sizeOf(dims), seed) });
const int64 = (...data: number[]): InitializerInput => ({ dims: [data.length], data, type: "int64" });
const value = (v: number): InitializerInput => ({ dims: [], data: [v] });

interface Case {
  name: string;
  dims: number[];
  nodes: NodeInput[];
  initializers?: Record<string, InitializerInput>;
  output?: string;
  opset?: number;
}

/** One node from "x" to "y" with constants by name. */
function single(
  op: string,
  name: string,
  dims: number[],
  attributes: Record<string, AttributeInput> = {},
  constants: Record<string, InitializerInput> = {},
  opset = 18,
): Case {
  const node = { op, inputs: ["x", ...Object.keys(constants)], outputs: ["y"], attributes };
  return { name: `${op} ${name}`, dims, nodes: [node], initializers: constants, opset };
}

const conv = (name: string, dims: number[], w: number[], attributes: Record<string, AttributeInput>) =>
  single("Conv", name, dims, attributes, { w: float(w), b: float([w[0]!], 2) });
const unary = (op: string, attributes: Record<string, AttributeInput> = {}, opset = 18) =>
  single(op, "", [2, 3, 4], attributes, {}, opset);
const IMAGE = [1, 3, 9, 8];

const CASES: Case[] = [
  conv("with stride", IMAGE, [4, 3, 3, 3], { strides: [2, 3], pads: [1, 0, 1, 2] }),
  conv("with dilation and groups", [1, 4, 9, 8], [6, 2, 3, 2], { dilations: [2, 3], group: 2, pads: [2, 1, 0, 3] }),
  conv("depthwise", [2, 3, 7, 7], [6, 1, 3, 3], { group: 3, strides: [2, 2] }),
  conv("padded to the same size, more at the end", IMAGE, [2, 3, 3, 4], { auto_pad: "SAME_UPPER", strides: [2, 2] }),
  conv("padded to the same size, more at the start", IMAGE, [2, 3, 3, 4], { auto_pad: "SAME_LOWER", strides: [2, 2] }),
  conv("without padding", IMAGE, [2, 3, 2, 2], { auto_pad: "VALID" }),
  conv("over one axis", [1, 3, 11], [2, 3, 4], { strides: [2], pads: [3, 1] }),
  single(
    "Gemm",
    "transposed, scaled",
    [2, 5],
    { transB: 1, alpha: 0.5, beta: 2 },
    { w: float([3, 5]), c: float([3], 2) },
  ),
  single("MatMul", "on rows", [2, 4, 5], {}, { w: float([5, 3]) }),
  single("AveragePool", "leaves padding out", IMAGE, { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [2, 2] }),
  single("AveragePool", "counts padding", IMAGE, { kernel_shape: [3, 2], pads: [1, 0, 1, 1], count_include_pad: 1 }),
  single(
    "AveragePool",
    "rounds up",
    IMAGE,
    { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1, count_include_pad: 1, pads: [1, 1, 1, 1] },
    {},
    19,
  ),
  single("GlobalAveragePool", "", IMAGE),
  single("ReduceMean", "over two axes", IMAGE, { keepdims: 0 }, { axes: int64(-1, 1) }),
  single("ReduceMean", "by attribute", IMAGE, { axes: [2, 3] }, {}, 13),
  single("ReduceSum", "over all", [2, 3]),
  single("MaxPool", "with stride and dilation", IMAGE, {
    kernel_shape: [2, 3],
    strides: [2, 1],
    dilations: [2, 1],
    pads: [1, 1, 0, 1],
  }),
  single("MaxPool", "rounds up", [1, 2, 8, 7], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }),
  single("MaxPool", "drops a window that would start in the padding", [1, 1, 5, 5], {
    kernel_shape: [2, 2],
    strides: [3, 3],
    ceil_mode: 1,
    pads: [0, 0, 1, 1],
  }),
  single("GlobalMaxPool", "", IMAGE),
  single("ReduceMax", "", IMAGE, { keepdims: 0 }, { axes: int64(2, 3) }),
  ...[
    "Relu",
    "Elu",
    "Celu",
    "Selu",
    "Tanh",
    "Sigmoid",
    "HardSigmoid",
    "HardSwish",
    "Softplus",
    "Softsign",
    "Mish",
    "Erf",
    "LeakyRelu",
    "Neg",
    "Exp",
    "Abs",
    "Floor",
    "Ceil",
  ].map((op) => unary(op)),
  unary("LeakyRelu", { alpha: 0.3 }),
  unary("Elu", { alpha: 0.7 }),
  unary("Celu", { alpha: 0.7 }),
  unary("ThresholdedRelu", { alpha: 0.2 }),
  unary("HardSigmoid", { alpha: 0.3, beta: 0.4 }),
  unary("Gelu", {}, 20),
  unary("Gelu", { approximate: "tanh" }, 20),
  single("Clip", "", [2, 3], {}, { low: value(-0.2), high: value(0.3) }),
  single("Clip", "by attribute", [2, 3], { min: -0.2, max: 0.3 }, {}, 6),
  single("PRelu", "per channel", IMAGE, {}, { slope: float([3, 1, 1]) }),
  ...["Add", "Sub", "Mul", "Div", "Max", "Min"].map((op) =>
    single(op, "with a constant per channel", IMAGE, {}, { c: float([1, 3, 1, 1]) }),
  ),
  single("Pow", "", [2, 3], {}, { c: value(2) }),
  single(
    "BatchNormalization",
    "",
    IMAGE,
    { epsilon: 0.01 },
    { g: float([3]), b: float([3], 2), m: float([3], 3), v: { dims: [3], data: [0.5, 1, 2] } },
  ),
  single("LayerNormalization", "", [2, 3, 4], { axis: -2, epsilon: 0.01 }, { g: float([3, 4]), b: float([4], 2) }),
  single("Softmax", "over channels", IMAGE, { axis: 1 }),
  single("Softmax", "over the last axis", [2, 3, 4]),
  single("Reshape", "with a free and a kept length", [2, 3, 4], {}, { shape: int64(0, -1, 2, 1) }),
  single("Flatten", "from axis 2", [2, 3, 4, 5], { axis: 2 }),
  single("Squeeze", "some axes", [1, 3, 1, 2], {}, { axes: int64(-2) }),
  single("Unsqueeze", "two axes", [2, 3], {}, { axes: int64(0, -1) }),
  single("Transpose", "", [2, 3, 4], { perm: [2, 0, 1] }),
  single("Transpose", "reversed", [2, 3, 4]),
  single(
    "Slice",
    "with steps, forward and back",
    [4, 7, 6],
    {},
    { starts: int64(1, -1, -4), ends: int64(9, -9, -1), axes: int64(0, 1, 2), steps: int64(2, -3, 1) },
  ),
  single("Pad", "constant", [2, 3, 4], {}, { pads: int64(0, 1, 2, 1, 0, 3), fill: value(0.5) }),
  single("Pad", "on one axis", [2, 3, 4], { mode: "edge" }, { pads: int64(1, 2), fill: value(0), axes: int64(-1) }),
  single("Pad", "reflected", [1, 4, 5], { mode: "reflect" }, { pads: int64(0, 1, 2, 0, 3, 1) }),
  single("Gather", "rows", [4, 3, 2], { axis: 1 }, { picks: { dims: [2, 2], data: [0, -1, 1, 1], type: "int64" } }),
  single("Expand", "", [3, 1], {}, { shape: int64(2, 1, 4) }),
  single("DepthToSpace", "", [1, 8, 2, 3], { blocksize: 2 }),
  single("DepthToSpace", "by columns", [1, 8, 2, 3], { blocksize: 2, mode: "CRD" }),
  single("SpaceToDepth", "", [1, 2, 4, 6], { blocksize: 2 }),
  single("Tile", "", [2, 3], {}, { repeats: int64(2, 3) }),
  single(
    "ConvTranspose",
    "with stride, dilation, groups and padding",
    [1, 4, 3, 4],
    { strides: [2, 3], dilations: [1, 2], group: 2, pads: [1, 0, 0, 2], output_padding: [1, 2] },
    { w: float([4, 3, 3, 2]), b: float([6], 2) },
  ),
  single("ConvTranspose", "to a size", IMAGE, { strides: [2, 2], output_shape: [18, 15] }, { w: float([3, 2, 3, 3]) }),
  single(
    "ConvTranspose",
    "to the same size",
    IMAGE,
    { strides: [2, 1], auto_pad: "SAME_UPPER" },
    { w: float([3, 2, 3, 3]) },
  ),
  ...["asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"].flatMap((mode) => [
    single(
      "Resize",
      `between pixels, ${mode}`,
      [1, 2, 4, 5],
      { mode: "linear", coordinate_transformation_mode: mode },
      { roi: { dims: [0], data: [] }, scales: { dims: [4], data: [1, 1, 1.75, 0.6] } },
      19,
    ),
    single(
      "Resize",
      `to the nearest, ${mode}`,
      [1, 2, 4, 5],
      { coordinate_transformation_mode: mode, nearest_mode: "round_prefer_ceil" },
      { roi: { dims: [0], data: [] }, scales: { dims: [0], data: [] }, sizes: int64(1, 2, 7, 3) },
      19,
    ),
  ]),
  single("Upsample", "", [1, 2, 3, 2], { mode: "nearest" }, { scales: { dims: [4], data: [1, 1, 2, 3] } }, 9),
  single("InstanceNormalization", "", IMAGE, { epsilon: 0.1 }, { g: float([3]), b: float([3], 2) }),
  single(
    "GroupNormalization",
    "a factor a group",
    [2, 4, 3, 3],
    { num_groups: 2 },
    { g: float([2]), b: float([2], 2) },
  ),
  single(
    "GroupNormalization",
    "a factor a channel",
    [2, 4, 3, 3],
    { num_groups: 2 },
    { g: float([4]), b: float([4], 2) },
    21,
  ),
  single("LRN", "", [1, 5, 3, 2], { size: 3, alpha: 0.5, beta: 0.6, bias: 1.5 }),
  unary("Reciprocal"),
  {
    name: "Log",
    dims: [2, 3],
    nodes: [
      { op: "Exp", inputs: ["x"], outputs: ["e"] },
      { op: "Log", inputs: ["e"], outputs: ["y"] },
    ],
  },
  {
    name: "Split and Concat in another order",
    dims: [2, 7, 3],
    nodes: [
      { op: "Split", inputs: ["x", "sizes"], outputs: ["p", "q", "r"], attributes: { axis: 1 } },
      { op: "Concat", inputs: ["r", "p", "x", "q"], outputs: ["y"], attributes: { axis: -2 } },
    ],
    initializers: { sizes: int64(1, 4, 2) },
  },
  {
    name: "Split into parts of unequal length",
    dims: [2, 7],
    nodes: [{ op: "Split", inputs: ["x"], outputs: ["a", "b", "y"], attributes: { axis: 1, num_outputs: 3 } }],
  },
  {
    name: "shape arithmetic",
    dims: [2, 3, 4],
    nodes: [
      { op: "Shape", inputs: ["x"], outputs: ["s"] },
      { op: "Gather", inputs: ["s", "zero"], outputs: ["n"], attributes: { axis: 0 } },
      { op: "Unsqueeze", inputs: ["n", "axes"], outputs: ["n1"] },
      { op: "Concat", inputs: ["n1", "rest"], outputs: ["shape"], attributes: { axis: 0 } },
      { op: "Reshape", inputs: ["x", "shape"], outputs: ["y"] },
    ],
    initializers: { zero: { dims: [], data: [0], type: "int64" }, axes: int64(0), rest: int64(-1, 2) },
  },
];

const fileOf = ({ dims, nodes, initializers, output = "y", opset }: Case): Uint8Array =>
  buildModel({ inputs: [{ name: "x", dims }], nodes, initializers, outputs: [output], opset });

describe("the twin's forward pass agrees with onnxruntime on files the writer made", () => {
  it.each(CASES)("$name", async (c) => {
    const file = fileOf(c);
    const data = Float32Array.from(noise(sizeOf(c.dims), 7), (v) => 3 * v);
    const session = await ort.InferenceSession.create(file, { logSeverityLevel: 3 });
    const { y } = await session.run({ x: new ort.Tensor("float32", data, c.dims) });
    await session.release();
    const twin = runForward(readOnnx(file), { dims: c.dims, data: Float64Array.from(data) }).values.get("y")!;
    expect(twin.dims).toEqual([...y!.dims]);
    expect(relativeError(twin.data, y!.data as Float32Array)).toBeLessThan(2e-6);
  });
});

describe("erf", () => {
  // Abramowitz and Stegun, table 7.1, and erfc(3) = 2.20904969985854e-5.
  it.each([
    [0, 0],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [-1, -0.8427007929497149],
    [2, 0.9953222650189527],
    [3, 1 - 2.20904969985854e-5],
    [7, 1],
  ])("of %d is %d", (x, expected) => expect(erf(x)).toBeCloseTo(expected, 13));
});
