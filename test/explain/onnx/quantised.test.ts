import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { importOnnx } from "../../../src/explain/onnx/import.js";
import { explainFrames } from "../run.js";
import { relativeError } from "../twin/golden.js";
import { buildModel, type InitializerInput, type NodeInput } from "../twin/onnx-writer.js";
import { type TwinOptions, twin } from "../twin/twin.js";
import { node, patched, ramp } from "./messages.js";

const SHAPE = [1, 3, 6, 6];
const RANGE = { low: [-1, -1.5, -2], high: [1, 2, 1.5] };
const frames = [2, 3, 5].map((k) => Float64Array.from({ length: 108 }, (_, i) => Math.fround(Math.cos(i * k))));

type Constants = Record<string, InitializerInput>;
type Type = "int8" | "uint8";
/** How a tensor is quantised. */
interface Quantised {
  scale: number;
  zero: number;
  type: Type;
}
const of = (scale: number, zero: number, type: Type = "uint8"): Quantised => ({
  scale: Math.fround(scale),
  zero,
  type,
});
const LOWEST = { int8: -128, uint8: 0 } as const;
const list = (data: number[], type?: InitializerInput["type"]): InitializerInput => ({
  dims: [data.length],
  data,
  type,
});

/** Tensors of the cases below, whose scales leave no value halfway between two numbers, by the names that their scale and zero point bear. */
const TENSORS = {
  x: of(0.0091379, 120),
  relu: of(0.0211713, 0),
  relu8: of(0.0211713, -128, "int8"),
  both: of(0.0127133, 140),
  both8: of(0.0211713, 3, "int8"),
  gate: of(1 / 256, 0),
  wide: of(0.0537191, 100),
} satisfies Record<string, Quantised>;
type Name = keyof typeof TENSORS;
const params = (name: Name): string[] => [`${name}_scale`, `${name}_zero`];

const SCALES = [0.01, 0.012, 0.008, 0.011].map(Math.fround);
const WEIGHT = (ramp(4, 3, 3, 3).data as number[]).map((v) => Math.round(v * 100));
const BIAS = [900, -700, 300, 100];
const HEAD = (ramp(4, 4).data as number[]).map((v) => Math.round(v * 100) + 128);
const products = SCALES.map((s) => Math.fround(s * TENSORS.x.scale));

const CONSTANTS: Constants = {
  w_whole: { dims: [4, 3, 3, 3], data: WEIGHT, type: "int8" },
  w_scale: list(SCALES),
  w_zero: list([0, 0, 0, 0], "int8"),
  b_whole: list(BIAS, "int32"),
  b_scale: list(products),
  ...Object.fromEntries(
    Object.entries(TENSORS).flatMap(([name, { scale, zero, type }]) => [
      [`${name}_scale`, { dims: [], data: [scale] }],
      [`${name}_zero`, { dims: [], data: [zero], type }],
    ]),
  ),
};
/** What they stand for. */
const VALUES: Constants = {
  w: { dims: [4, 3, 3, 3], data: WEIGHT.map((v, k) => v * SCALES[Math.floor(k / 27)]!) },
  b: list(BIAS.map((v, k) => v * products[k]!)),
};

/** From `from` to `to` by way of whole numbers, `to_whole`. */
const pair = (from: string, to: string, name: Name): NodeInput[] => [
  node("QuantizeLinear", [from, ...params(name)], [`${to}_whole`]),
  node("DequantizeLinear", [`${to}_whole`, ...params(name)], [to]),
];
/** The same in the twin's words: a ReLU where the numbers begin at the zero point, and a rounding. */
const rounded = (from: string, to: string, name: Name): NodeInput[] => {
  const { scale, zero, type } = TENSORS[name];
  const low = LOWEST[type] - zero;
  const rounding = (x: string): NodeInput =>
    node("Rounding", [x], [to], { scale: { float: scale }, low, high: low + 255 });
  return low === 0 ? [node("Relu", [from], [`${to}_relu`]), rounding(`${to}_relu`)] : [rounding(from)];
};

const quantisedWeights = [
  node("DequantizeLinear", ["w_whole", "w_scale", "w_zero"], ["w"], { axis: 0 }),
  node("DequantizeLinear", ["b_whole", "b_scale"], ["b"], { axis: 0 }),
];
const conv = node("Conv", ["x", "w", "b"], ["c"], { pads: [1, 1, 1, 1] });
const microsoft = (n: NodeInput): NodeInput => ({ ...n, domain: "com.microsoft" });

function file(nodes: NodeInput[], constants: Constants, opset = 18): Uint8Array {
  const head = [
    node("GlobalAveragePool", ["y"], ["pooled"]),
    node("Flatten", ["pooled"], ["flat"]),
    node("Gemm", ["flat", "head"], ["scores"]),
  ];
  return buildModel({
    inputs: [{ name: "image", dims: ["N", 3, 6, 6] }],
    nodes: [...nodes, ...(nodes.some((n) => n.outputs.includes("scores")) ? [] : head)].map((n) => ({
      ...n,
      name: n.outputs[0]!,
    })),
    initializers: { head: ramp(4, 4), ...constants },
    outputs: ["scores"],
    opset,
  });
}

/** A quantised file; without a convolution of its own it has one by pairs, from "image" to "c". */
const quantised = (nodes: NodeInput[], more: Constants = {}): Uint8Array =>
  file(
    [
      ...(nodes.some((n) => n.inputs.includes("image")) ? [] : [...pair("image", "x", "x"), ...quantisedWeights, conv]),
      ...nodes,
    ],
    { ...CONSTANTS, ...more },
  );
/** The network that it stands for, in the twin's words. */
const reference = (nodes: NodeInput[], more: Constants = {}): Uint8Array =>
  file([...rounded("image", "x", "x"), conv, ...nodes], { ...VALUES, ...more });

/** onnxruntime has the scores of the file, the twin scores and map of the network that it stands for. */
async function expectAgreement(
  model: Uint8Array,
  twinModel: Uint8Array,
  options: Partial<TwinOptions> = {},
): Promise<void> {
  const session = await ort.InferenceSession.create(model, { graphOptimizationLevel: "disabled" });
  const explained = await explainFrames(model, frames, SHAPE, { ...RANGE, ...options });
  for (const [n, frame] of frames.entries()) {
    const { scores } = await session.run({ image: new ort.Tensor("float32", Float32Array.from(frame), SHAPE) });
    const expected = twin(twinModel, frame, SHAPE, { ...RANGE, ...options });
    expect(relativeError(Float32Array.from(scores!.data as Float32Array), expected.logits)).toBeLessThan(1e-5);
    expect(relativeError(explained[n]!.logits, expected.logits)).toBeLessThan(1e-5);
    expect(relativeError(explained[n]!.relevance, expected.relevance)).toBeLessThan(1e-4);
  }
  await session.release();
}

type Case = [what: string, nodes: NodeInput[], reference: NodeInput[], more?: Constants, referenceMore?: Constants];

const PAIRS: Case[] = [
  ["numbers from 0 on are a ReLU", pair("c", "y", "relu"), rounded("c", "y", "relu")],
  ["int8 from −128 on is one, too", pair("c", "y", "relu8"), rounded("c", "y", "relu8")],
  ["numbers on both sides are rounded, and clipped where they end", pair("c", "y", "both"), rounded("c", "y", "both")],
  [
    "a ReLU behind numbers on both sides is as if they were not rounded",
    [...pair("c", "q", "both"), node("Relu", ["q"], ["r"]), ...pair("r", "y", "relu")],
    [...rounded("c", "q", "both"), node("Relu", ["q"], ["r"]), ...rounded("r", "y", "relu")],
  ],
  [
    "a max pool of whole numbers, and one of values, a sum and a concatenation between pairs",
    [
      node("QuantizeLinear", ["c", ...params("relu")], ["q"]),
      node("MaxPool", ["q"], ["m"], { kernel_shape: [2, 2], strides: [2, 2] }),
      node("DequantizeLinear", ["m", ...params("relu")], ["r"]),
      node("MaxPool", ["r"], ["s"], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
      ...pair("s", "t", "relu"),
      node("Add", ["t", "r"], ["sum"]),
      ...pair("sum", "u", "wide"),
      node("Slice", ["u", "zero", "two", "one"], ["half"]),
      node("Slice", ["r", "two", "four", "one"], ["rest"]),
      node("Concat", ["half", "rest"], ["all"], { axis: 1 }),
      ...pair("all", "y", "wide"),
    ],
    [
      ...rounded("c", "q", "relu"),
      node("MaxPool", ["q"], ["r"], { kernel_shape: [2, 2], strides: [2, 2] }),
      node("MaxPool", ["r"], ["s"], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
      ...rounded("s", "t", "relu"),
      node("Add", ["t", "r"], ["sum"]),
      ...rounded("sum", "u", "wide"),
      node("Slice", ["u", "zero", "two", "one"], ["half"]),
      node("Slice", ["r", "two", "four", "one"], ["rest"]),
      node("Concat", ["half", "rest"], ["all"], { axis: 1 }),
      ...rounded("all", "y", "wide"),
    ],
    { zero: list([0], "int64"), one: list([1], "int64"), two: list([2], "int64"), four: list([4], "int64") },
    { zero: list([0], "int64"), one: list([1], "int64"), two: list([2], "int64"), four: list([4], "int64") },
  ],
  [
    "a gate, which numbers from 0 on do not make a ReLU",
    [
      node("GlobalAveragePool", ["c"], ["p"]),
      node("Sigmoid", ["p"], ["s"]),
      ...pair("s", "g", "gate"),
      ...pair("c", "r", "both"),
      node("Mul", ["r", "g"], ["product"]),
      ...pair("product", "y", "both"),
    ],
    [
      node("GlobalAveragePool", ["c"], ["p"]),
      node("Sigmoid", ["p"], ["s"]),
      { ...rounded("s", "g", "gate")[1]!, inputs: ["s"] },
      ...rounded("c", "r", "both"),
      node("Mul", ["r", "g"], ["product"]),
      ...rounded("product", "y", "both"),
    ],
  ],
  [
    "a gate that is quantised once more, to other numbers",
    [
      node("GlobalAveragePool", ["c"], ["p"]),
      node("Sigmoid", ["p"], ["s"]),
      ...pair("s", "g", "gate"),
      ...pair("g", "h", "relu"),
      node("Mul", ["c", "h"], ["y"]),
    ],
    [
      node("GlobalAveragePool", ["c"], ["p"]),
      node("Sigmoid", ["p"], ["s"]),
      { ...rounded("s", "g", "gate")[1]!, inputs: ["s"] },
      { ...rounded("g", "h", "relu")[1]!, inputs: ["g"] },
      node("Mul", ["c", "h"], ["y"]),
    ],
  ],
  [
    "padding with a whole number, which is what it stands for",
    [
      node("QuantizeLinear", ["c", ...params("both")], ["q"]),
      node("Pad", ["q", "pads", "k"], ["p"]),
      node("DequantizeLinear", ["p", ...params("both")], ["y"]),
    ],
    [...rounded("c", "v", "both"), node("Pad", ["v", "pads", "k"], ["y"])],
    { pads: list([0, 0, 1, 1, 0, 0, 2, 0], "int64"), k: { dims: [], data: [160], type: "uint8" } },
    { pads: list([0, 0, 1, 1, 0, 0, 2, 0], "int64"), k: { dims: [], data: [20 * TENSORS.both.scale] } },
  ],
  [
    "cast to the type that they have, as PyTorch's exporter writes it, and to a larger one",
    [
      node("QuantizeLinear", ["c", ...params("both")], ["q"]),
      node("Cast", ["q"], ["same"], { to: 2 }),
      node("Cast", ["same"], ["larger"], { to: 6 }),
      node("Cast", ["larger"], ["f"], { to: 1 }),
      node("Sub", ["f", "zero"], ["d"]),
      node("Mul", ["d", "both_scale"], ["y"]),
    ],
    rounded("c", "y", "both"),
    { zero: { dims: [], data: [140] } },
  ],
  [
    "fewer numbers than their type has, as PyTorch's fake quantisation leaves them: still a gate in between",
    [
      node("GlobalAveragePool", ["c"], ["p"]),
      node("Sigmoid", ["p"], ["s"]),
      node("QuantizeLinear", ["s", ...params("gate")], ["q"]),
      node("Clip", ["q", "none", "half"], ["few"]),
      node("DequantizeLinear", ["few", ...params("gate")], ["g"]),
      node("Mul", ["c", "g"], ["y"]),
    ],
    [
      node("GlobalAveragePool", ["c"], ["p"]),
      node("Sigmoid", ["p"], ["s"]),
      node("Rounding", ["s"], ["g"], { scale: { float: 1 / 256 }, low: 0, high: 127 }),
      node("Mul", ["c", "g"], ["y"]),
    ],
    { none: { dims: [], data: [0], type: "uint8" }, half: { dims: [], data: [127], type: "uint8" } },
  ],
  ...["relu", "both"].map((name): Case => {
    const second = node("Conv", ["a", "w2"], ["d"]);
    const ending = name === "both" ? [node("Relu", ["e"], ["y"])] : [];
    const last = name === "both" ? "e" : "y";
    const w2 = ramp(4, 4, 1, 1);
    return [
      `a second convolution whose output is rectified, by ${name === "both" ? "a ReLU behind the pair" : "the pair"}`,
      [...pair("c", "a", "relu"), second, ...pair("d", last, name as Name), ...ending],
      [...rounded("c", "a", "relu"), second, ...rounded("d", last, name as Name), ...ending],
      { w2 },
      { w2 },
    ];
  }),
  [
    "quantised twice to the same numbers",
    [...pair("c", "q", "both"), ...pair("q", "y", "both")],
    rounded("c", "y", "both"),
  ],
  [
    "dequantised by another scale and zero point than quantised",
    [
      node("QuantizeLinear", ["c", ...params("both")], ["q"]),
      node("DequantizeLinear", ["q", ...params("wide")], ["y"]),
    ],
    [...rounded("c", "q", "both"), node("Mul", ["q", "factor"], ["m"]), node("Add", ["m", "shift"], ["y"])],
    {},
    { factor: list([TENSORS.wide.scale / TENSORS.both.scale]), shift: list([TENSORS.wide.scale * 40]) },
  ],
];

describe("pairs of QuantizeLinear and DequantizeLinear round in the forward pass, and relevance passes", () => {
  it.each(PAIRS)("%s", async (_what, nodes, twinNodes, more, twinMore) => {
    const [model, expected] = [quantised(nodes, more), reference(twinNodes, twinMore)];
    await expectAgreement(model, expected);
    await expectAgreement(model, expected, { method: "r-lrp-graded" });
  });
});

it("a layer norm spelled out stays one, though its squares are quantised to numbers from 0 on", () => {
  const nodes = [
    ...pair("c", "v", "both"),
    node("ReduceMean", ["v", "axes"], ["mean"]),
    node("Sub", ["v", "mean"], ["centre"]),
    ...pair("centre", "d", "both"),
    ...pair("centre", "e", "both"),
    node("Mul", ["d", "e"], ["square"]),
    ...pair("square", "s", "relu"),
    node("ReduceMean", ["s", "axes"], ["variance"]),
    node("Add", ["variance", "epsilon"], ["positive"]),
    node("Sqrt", ["positive"], ["deviation"]),
    node("Div", ["d", "deviation"], ["y"]),
  ];
  const more = { axes: list([1], "int64"), epsilon: { dims: [], data: [1e-3] } };
  expect(canonicalise(importOnnx(quantised(nodes, more))).layers.map((l) => l.kind)).toContain("norm");
});

describe("a hard-sigmoid spelled out, whose clip the quantiser has left to the numbers from 0 on", () => {
  const SIX: Constants = {
    three: { dims: [], data: [3] },
    sixth: { dims: [], data: [1 / 6] },
    six_scale: { dims: [], data: [Math.fround(6 / 255)] },
    six_zero: { dims: [], data: [0], type: "uint8" },
    // Up to values at which the clip counts.
    big: { dims: [], data: [4] },
    big_scale: { dims: [], data: [Math.fround(0.09)] },
    big_zero: { dims: [], data: [128], type: "uint8" },
    product_scale: { dims: [], data: [Math.fround(0.6)] },
    product_zero: { dims: [], data: [128], type: "uint8" },
  };
  const start = [node("Mul", ["c", "big"], ["m"]), ...pair("m", "x8", "big" as Name)];
  const clipped = (x: string) => [node("Add", [x, "three"], ["a"]), ...pair("a", "h", "six" as Name)];
  const kinds = (nodes: NodeInput[]) => canonicalise(importOnnx(quantised(nodes, SIX))).layers;

  it("is a hard-swish where it is multiplied with what it is made of, clipped at its upper end as well", async () => {
    const nodes = [
      ...start,
      ...clipped("x8"),
      node("Mul", ["x8", "h"], ["p"]),
      ...pair("p", "p6", "product" as Name),
      node("Mul", ["p6", "sixth"], ["y"]),
    ];
    const model = quantised(nodes, SIX);
    const session = await ort.InferenceSession.create(model, { graphOptimizationLevel: "disabled" });
    const explained = await explainFrames(model, frames, SHAPE, RANGE);
    for (const [n, frame] of frames.entries()) {
      const { scores } = await session.run({ image: new ort.Tensor("float32", Float32Array.from(frame), SHAPE) });
      // All but the rounding of what has become part of the activation.
      expect(relativeError(explained[n]!.logits, Float64Array.from(scores!.data as Float32Array))).toBeLessThan(0.02);
    }
    await session.release();
    const [swish] = kinds(nodes).filter((l) => l.kind === "activation");
    expect(swish).toMatchObject({
      steps: expect.arrayContaining([{ op: "Clip", operands: [1], attributes: { min: 0, max: 6 } }]),
    });
  });

  it("is a gate of what it is multiplied with otherwise", () => {
    const nodes = [
      ...start,
      node("GlobalAveragePool", ["x8"], ["pool"]),
      ...clipped("pool"),
      node("Mul", ["h", "sixth"], ["g"]),
      node("Mul", ["x8", "g"], ["y"]),
    ];
    expect(kinds(nodes).map((l) => l.kind)).toContain("gate");
  });
});

const qLinear = (op: string, inputs: string[], attributes: NodeInput["attributes"] = {}): NodeInput[] => [
  node("QuantizeLinear", ["c", ...params("both")], ["q"]),
  microsoft(node(op, ["q", ...params("both"), ...inputs, ...params("wide")], ["r"], attributes)),
  node("DequantizeLinear", ["r", ...params("wide")], ["y"]),
];
const onValues = (op: string, inputs: string[], attributes: NodeInput["attributes"] = {}): NodeInput[] => [
  ...rounded("c", "v", "both"),
  node(op, ["v", ...inputs], ["r"], attributes),
  ...rounded("r", "y", "wide"),
];

const OPERATORS: Case[] = [
  [
    "QLinearConv with a scale for each channel",
    [
      node("QuantizeLinear", ["image", ...params("x")], ["q"]),
      node("QLinearConv", ["q", ...params("x"), "w_whole", "w_scale", "w_zero", ...params("relu"), "b_whole"], ["r"], {
        pads: [1, 1, 1, 1],
      }),
      node("DequantizeLinear", ["r", ...params("relu")], ["y"]),
    ],
    rounded("c", "y", "relu"),
  ],
  [
    "QLinearConv, NhwcMaxPool and QLinearAveragePool with channels last, as onnxruntime saves them",
    [
      node("QuantizeLinear", ["image", ...params("x")], ["q"]),
      node("Transpose", ["q"], ["t"], { perm: [0, 2, 3, 1] }),
      microsoft(
        node(
          "QLinearConv",
          ["t", ...params("x"), "w_whole", "w_scale", "w_zero", ...params("relu"), "b_whole"],
          ["r"],
          {
            pads: [1, 1, 1, 1],
            channels_last: 1,
          },
        ),
      ),
      microsoft(node("NhwcMaxPool", ["r"], ["m"], { kernel_shape: [2, 2], strides: [1, 1] })),
      microsoft(
        node("QLinearAveragePool", ["m", ...params("relu"), ...params("wide")], ["a"], {
          kernel_shape: [2, 2],
          channels_last: 1,
        }),
      ),
      node("Transpose", ["a"], ["b"], { perm: [0, 3, 1, 2] }),
      node("DequantizeLinear", ["b", ...params("wide")], ["y"]),
    ],
    [
      ...rounded("c", "r", "relu"),
      node("MaxPool", ["r"], ["m"], { kernel_shape: [2, 2], strides: [1, 1] }),
      node("AveragePool", ["m"], ["a"], { kernel_shape: [2, 2] }),
      ...rounded("a", "y", "wide"),
    ],
  ],
  ["QLinearAdd", qLinear("QLinearAdd", ["q", ...params("both")]), onValues("Add", ["v"])],
  [
    "QLinearMul by a constant",
    qLinear("QLinearMul", ["k", ...params("relu")]),
    onValues("Mul", ["k"]),
    { k: { dims: [1, 4, 1, 1], data: [40, 90, 20, 60], type: "uint8" } },
    { k: { dims: [1, 4, 1, 1], data: [40, 90, 20, 60].map((v) => v * TENSORS.relu.scale) } },
  ],
  ["QLinearLeakyRelu", qLinear("QLinearLeakyRelu", [], { alpha: 0.1 }), onValues("LeakyRelu", [], { alpha: 0.1 })],
  ["QLinearSigmoid", qLinear("QLinearSigmoid", []), onValues("Sigmoid", [])],
  [
    "QLinearAveragePool",
    qLinear("QLinearAveragePool", [], { kernel_shape: [2, 2], strides: [2, 2] }),
    onValues("AveragePool", [], { kernel_shape: [2, 2], strides: [2, 2] }),
  ],
  [
    "QLinearConcat",
    [
      node("QuantizeLinear", ["c", ...params("both")], ["q"]),
      node("QuantizeLinear", ["c", ...params("relu")], ["p"]),
      microsoft(
        node("QLinearConcat", [...params("wide"), "q", ...params("both"), "p", ...params("relu")], ["r"], { axis: 2 }),
      ),
      node("DequantizeLinear", ["r", ...params("wide")], ["y"]),
    ],
    [
      ...rounded("c", "q", "both"),
      ...rounded("c", "p", "relu"),
      node("Concat", ["q", "p"], ["r"], { axis: 2 }),
      ...rounded("r", "y", "wide"),
    ],
  ],
  [
    "QLinearGlobalAveragePool, QGemm and QLinearSoftmax, whose scores are whole numbers",
    [
      node("QuantizeLinear", ["c", ...params("relu")], ["q"]),
      microsoft(
        node("QLinearGlobalAveragePool", ["q", ...params("relu"), ...params("relu")], ["p"], { channels_last: 0 }),
      ),
      node("Flatten", ["p"], ["flat"]),
      microsoft(node("QGemm", ["flat", ...params("relu"), "h", ...params("h" as Name), "", ...params("both")], ["g"])),
      node("DequantizeLinear", ["g", ...params("both")], ["scores"]),
    ],
    [
      ...rounded("c", "q", "relu"),
      node("GlobalAveragePool", ["q"], ["m"]),
      { ...rounded("m", "p", "relu")[1]!, inputs: ["m"] },
      node("Flatten", ["p"], ["flat"]),
      node("Gemm", ["flat", "h"], ["g"]),
      ...rounded("g", "scores", "both"),
    ],
    {
      h: { dims: [4, 4], data: HEAD, type: "uint8" },
      h_scale: { dims: [], data: [0.01] },
      h_zero: { dims: [], data: [130], type: "uint8" },
    },
    { h: { dims: [4, 4], data: HEAD.map((v) => (v - 130) * Math.fround(0.01)) } },
  ],
];

it.each(OPERATORS)(
  "an operator on whole numbers is explained as what they stand for: %s",
  async (_what, nodes, twinNodes, more, twinMore) => {
    await expectAgreement(quantised(nodes, more), reference(twinNodes, twinMore));
  },
);

/** Numbers that are quantised while the model runs: a convolution of whole numbers, scaled back. */
const dynamic = (zero = "x_zero"): NodeInput[] => [
  node("DynamicQuantizeLinear", ["image"], ["q", "x_s", "x_zero"]),
  node("ConvInteger", ["q", "w_whole", zero, "w_none"], ["i"], { pads: [1, 1, 1, 1] }),
  node("Cast", ["i"], ["f"], { to: 1 }),
  node("Mul", ["x_s", "w_one"], ["s"]),
  node("Mul", ["f", "s"], ["c"]),
  node("Relu", ["c"], ["y"]),
];
const ONE: Constants = {
  w_one: { dims: [1], data: [0.01] },
  w_none: { dims: [], data: [0], type: "int8" },
  x_zero_of_others: { dims: [], data: [0], type: "uint8" },
};

it("numbers that are quantised while the model runs are explained as the values that they stand for", async () => {
  const { x_zero: _, x_scale: __, ...constants } = CONSTANTS;
  const model = file(dynamic(), { ...constants, ...ONE });
  const session = await ort.InferenceSession.create(model);
  // What pixels of 0 and 255 become is not rounded by the scale of one frame.
  const options = { ...RANGE, inputRule: "contribution" } as const;
  const explained = await explainFrames(model, frames, SHAPE, options);
  for (const [n, frame] of frames.entries()) {
    const { scores } = await session.run({ image: new ort.Tensor("float32", Float32Array.from(frame), SHAPE) });
    expect(relativeError(explained[n]!.logits, scores!.data as Float32Array)).toBeLessThan(1e-5);
    const [least, most] = [Math.min(0, ...frame), Math.max(0, ...frame)];
    const scale = Math.fround(Math.fround(most - least) / 255);
    const low = -Math.round(-least / scale);
    const expected = twin(
      file(
        [
          node("Rounding", ["image"], ["x"], { scale: { float: scale }, low, high: low + 255 }),
          node("Conv", ["x", "w"], ["c"], { pads: [1, 1, 1, 1] }),
          node("Relu", ["c"], ["y"]),
        ],
        { w: { dims: [4, 3, 3, 3], data: WEIGHT.map((v) => v * Math.fround(0.01)) } },
      ),
      frame,
      SHAPE,
      options,
    );
    expect(relativeError(explained[n]!.relevance, expected.relevance)).toBeLessThan(1e-3);
  }
  await session.release();
});

/** Three classes over four features, by a matrix of whole numbers. */
const MATRIX = [3, 9, 12, 5, 0, 15, 8, 7, 14, 2, 6, 11].map((v) => v - 8);
const FEATURES = [
  node("Relu", ["c"], ["y"]),
  node("GlobalAveragePool", ["y"], ["pooled"]),
  node("Flatten", ["pooled"], ["flat"]),
];

describe("weights that are quantised alone are dequantised", () => {
  const plain = (matrix: number[]): Uint8Array =>
    reference([...FEATURES, node("MatMul", ["flat", "m"], ["scores"])], { m: { dims: [4, 3], data: matrix } });

  it("int4 with a scale for each block of a column", async () => {
    const scales = [0.11, 0.07, 0.05, 0.13, 0.09, 0.04].map(Math.fround);
    const model = patched(
      file(
        [
          ...pair("image", "x", "x"),
          ...quantisedWeights,
          conv,
          ...FEATURES,
          node("DequantizeLinear", ["m_whole", "m_scale"], ["m"], { axis: 0, block_size: 2 }),
          node("MatMul", ["flat", "m"], ["scores"]),
        ],
        { ...CONSTANTS, m_scale: { dims: [2, 3], data: scales } },
        21,
      ),
      (message) => {
        const rawData = Uint8Array.from(
          { length: 6 },
          (_, k) => (MATRIX[2 * k]! & 15) | ((MATRIX[2 * k + 1]! & 15) << 4),
        );
        message.graph.initializer.push({ name: "m_whole", dims: [4, 3], dataType: 22, rawData });
        message.irVersion = 10;
      },
    );
    await expectAgreement(model, plain(MATRIX.map((v, at) => v * scales[Math.floor(at / 6) * 3 + (at % 3)]!)));
  });

  it("the blocks of 4 bits of MatMulNBits", async () => {
    const bytes = Array.from({ length: 3 }, (_, n) =>
      Array.from({ length: 8 }, (_, k) =>
        k < 2 ? (MATRIX[2 * k * 3 + n]! + 8) | ((MATRIX[(2 * k + 1) * 3 + n]! + 8) << 4) : 0,
      ),
    ).flat();
    const scales = [0.11, 0.07, 0.05].map(Math.fround);
    const attributes = { K: 4, N: 3, bits: 4, block_size: 16 };
    const model = quantised(
      [...FEATURES, microsoft(node("MatMulNBits", ["flat", "m", "m_scale"], ["scores"], attributes))],
      {
        m: { dims: [3, 1, 8], data: bytes, type: "uint8" },
        m_scale: list(scales),
      },
    );
    await expectAgreement(model, plain(MATRIX.map((v, at) => v * scales[at % 3]!)));
  });
});

it("a picture of whole numbers is what its operators on whole numbers read", async () => {
  const nodes = [
    node("QLinearConv", ["image", ...params("x"), "w_whole", "w_scale", "w_zero", ...params("relu"), "b_whole"], ["r"]),
    node("DequantizeLinear", ["r", ...params("relu")], ["y"]),
  ];
  const model = patched(quantised(nodes), (message) => {
    message.graph.input[0].type.tensorType.elemType = 2;
  });
  const picture = Uint8Array.from({ length: 108 }, (_, k) => 127 + Math.floor(120 * Math.cos(k)));
  const range = { low: [0], high: [255] };
  const session = await ort.InferenceSession.create(model);
  const { scores } = await session.run({ image: new ort.Tensor("uint8", picture, SHAPE) });
  const [explained] = await explainFrames(model, [picture], SHAPE, range);
  const affine = [node("Mul", ["image", "s"], ["scaled"]), node("Add", ["scaled", "z"], ["x"])];
  const { scale, zero } = TENSORS.x;
  const expected = twin(
    file([...affine, { ...conv, attributes: {} }, ...rounded("c", "y", "relu")], {
      ...VALUES,
      s: list([scale]),
      z: list([-zero * scale]),
    }),
    Float64Array.from(picture),
    SHAPE,
    range,
  );
  expect(relativeError(explained!.logits, scores!.data as Float32Array)).toBeLessThan(1e-5);
  expect(relativeError(explained!.relevance, expected.relevance)).toBeLessThan(1e-4);
  await session.release();
});

it("whole numbers that a file itself rounds to are rounded", async () => {
  const nodes = [node("Mul", ["c", "k"], ["m"]), node("Round", ["m"], ["y"])];
  const twinNodes = [
    node("Mul", ["c", "k"], ["m"]),
    node("Rounding", ["m"], ["y"], { scale: { float: 1 }, low: -1e6, high: 1e6 }),
  ];
  const constants = { k: { dims: [], data: [3.7] } };
  await expectAgreement(quantised(nodes, constants), reference(twinNodes, constants));
});

describe("what cannot be explained of a quantised file is refused by its node", () => {
  const refusal = (nodes: NodeInput[], more: Constants = {}): string => {
    try {
      canonicalise(importOnnx(quantised(nodes, more)));
    } catch (error) {
      return (error as Error).message;
    }
    return "";
  };
  it.each<[string, NodeInput[], RegExp, Constants?]>([
    [
      "arithmetic with whole numbers",
      [node("QuantizeLinear", ["c", ...params("both")], ["q"]), node("Abs", ["q"], ["y"])],
      /node "y" \(operator Abs\) cannot be explained: it computes with whole numbers/,
    ],
    [
      "numbers of a scale of the frame's own, before they are scaled back",
      [...dynamic().slice(0, 3), node("Relu", ["f"], ["y"])],
      /node "y" \(operator Relu\) cannot be explained: it computes with what is quantised while the model runs/,
      ONE,
    ],
    [
      "a zero point that is not the input's",
      dynamic("x_zero_of_others"),
      /node "i" \(operator ConvInteger\) cannot be explained: its zero point is not that of its input/,
      ONE,
    ],
    [
      "a scale for each channel of what depends on the picture",
      [
        node("QuantizeLinear", ["c", "w_scale"], ["q"], { axis: 1 }),
        node("DequantizeLinear", ["q", "w_scale"], ["y"], { axis: 1 }),
      ],
      /node "q" \(operator QuantizeLinear\) cannot be explained: it quantises what depends on the picture with 4 scales/,
    ],
    [
      "tensors that are quantised differently, put together as whole numbers",
      [
        node("QuantizeLinear", ["c", ...params("both")], ["p"]),
        node("QuantizeLinear", ["c", ...params("relu")], ["q"]),
        node("Concat", ["p", "q"], ["r"], { axis: 1 }),
        node("DequantizeLinear", ["r", ...params("both")], ["y"]),
      ],
      /node "r" \(operator Concat\) cannot be explained: its inputs are quantised differently/,
    ],
    [
      "a scale that is none",
      pair("c", "y", "none" as Name),
      /node "y_whole" \(operator QuantizeLinear\) cannot be explained: its scale is not a positive number/,
      { none_scale: { dims: [], data: [0] }, none_zero: { dims: [], data: [0], type: "uint8" } },
    ],
  ])("%s", (_what, nodes, sentence, more) => {
    expect(refusal(nodes, more)).toMatch(sentence);
  });

  it("weights of float8", () => {
    const model = patched(quantised(pair("c", "y", "both")), (m) => {
      const weight = m.graph.initializer.find((t: { name: string }) => t.name === "w_whole");
      weight.dataType = 17;
    });
    expect(() => importOnnx(model)).toThrow(/element type float8e4m3fn, which is not supported/);
  });
});
