import { describe, expect, it } from "vitest";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { importOnnx } from "../../../src/explain/onnx/import.js";
import { DEFAULT_METHOD } from "../../../src/explain/options.js";
import { tensorProgram } from "../../../src/explain/programs/tensor.js";
import { ints, node, ramp } from "../onnx/messages.js";
import { explainFrames } from "../run.js";
import { buildModel, type InitializerInput, type NodeInput } from "../twin/onnx-writer.js";

/** Four classes of a picture of 3 × 6 × 6, then `steps` from "z" to "y". */
const model = (steps: NodeInput[], constants: Record<string, InitializerInput> = {}, y = "y"): Uint8Array =>
  buildModel({
    inputs: [{ name: "image", dims: ["N", 3, 6, 6] }],
    nodes: [
      node("Conv", ["image", "w"], ["c"]),
      node("GlobalAveragePool", ["c"], ["p"]),
      node("Flatten", ["p"], ["f"]),
      node("Gemm", ["f", "h"], ["z"]),
      ...steps.map((s) => ({ ...s, name: `${s.op} to ${s.outputs[0]}` })),
    ],
    initializers: { w: ramp(5, 3, 1, 1), h: ramp(5, 4), ...constants },
    outputs: [y],
  });
const value = (...data: number[]): InitializerInput => ({ dims: data.length === 1 ? [] : [data.length], data });
const soft = node("Softmax", ["z"], ["s"], { axis: 1 });
const frame = Float64Array.from({ length: 108 }, (_, k) => Math.fround(Math.cos(k)));

const explained = async (bytes: Uint8Array) => {
  const [result] = await explainFrames(bytes, [frame], [1, 3, 6, 6], { low: [-1], high: [1] });
  return result!;
};

it("several heads with a sigmoid each are scores of one sigmoid, put together", async () => {
  const heads = ["a", "b"].flatMap((name) => [
    node("Gemm", ["z", name], [`${name} score`]),
    node("Sigmoid", [`${name} score`], [`${name} p`]),
  ]);
  const constants = { a: ramp(4, 1), b: ramp(4, 2) };
  const bytes = model([...heads, node("Concat", ["a p", "b p"], ["y"], { axis: 1 })], constants);
  const { final, layers } = canonicalise(importOnnx(bytes));
  expect(final).toBe("sigmoid");
  expect(layers.at(-1)!.kind).toBe("concat");
  const plain = [
    ...heads.filter(({ op }) => op === "Gemm"),
    node("Concat", ["a score", "b score"], ["all"], { axis: 1 }),
    node("Sigmoid", ["all"], ["y"]),
  ];
  const [apart, together] = [await explained(bytes), await explained(model(plain, constants))];
  expect(apart).toEqual(together);
  expect(apart.probabilities).toEqual(apart.logits.map((v) => 1 / (1 + Math.exp(-v))));
});

it("a softmax is stripped with the whole numbers that its probabilities are quantised to", () => {
  const constants = { scale: value(1 / 256), zero: { dims: [], data: [0], type: "uint8" as const } };
  const ends = [
    node("QuantizeLinear", ["s", "scale", "zero"], ["q"]),
    node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
  ];
  for (const [steps, output] of [
    [[soft, ...ends], "y"],
    [[soft, ends[0]!], "q"],
  ] as const) {
    const { final, layers } = canonicalise(importOnnx(model([...steps], constants, output)));
    expect(final).toBe("softmax");
    expect(layers.map(({ kind }) => kind)).not.toContain("rounding");
  }
});

describe("what follows a final softmax or sigmoid is stripped with it where it keeps the order of the classes", () => {
  it.each<[string, NodeInput[], Record<string, InitializerInput>?, string?]>([
    ["softmax, clip to 0..1", [soft, node("Clip", ["s", "lo", "hi"], ["y"])], { lo: value(0), hi: value(1) }],
    [
      "softmax, clip that keeps a logarithm finite",
      [soft, node("Clip", ["s", "lo", "hi"], ["y"])],
      { lo: value(1e-7), hi: value(1 - 1e-7) },
    ],
    ["softmax in percent", [soft, node("Mul", ["s", "k"], ["y"])], { k: value(100) }],
    [
      "softmax in percent, clipped",
      [soft, node("Mul", ["s", "k"], ["m"]), node("Clip", ["m", "lo", "hi"], ["y"])],
      { k: value(100), lo: value(0), hi: value(100) },
    ],
    ["softmax over a small number", [soft, node("Add", ["s", "k"], ["y"])], { k: value(1e-8) }],
    [
      "softmax, transposed",
      [soft, node("Reshape", ["s", "to"], ["r"]), node("Transpose", ["r"], ["y"], { perm: [0, 2, 1] })],
      { to: ints(0, 1, 4) },
    ],
    ["softmax, logarithm", [soft, node("Log", ["s"], ["y"])]],
    [
      "softmax, nothing, another shape",
      [soft, node("Identity", ["s"], ["i"]), node("Unsqueeze", ["i", "at"], ["y"])],
      { at: ints(2) },
    ],
    [
      "log-softmax, positive factor",
      [node("LogSoftmax", ["z"], ["s"], { axis: 1 }), node("Mul", ["s", "k"], ["y"])],
      { k: value(0.5) },
    ],
  ])("%s", async (_what, steps, constants) => {
    const plain = await explained(model([], {}, "z"));
    const result = await explained(model(steps, constants));
    expect(result.logits).toEqual(plain.logits);
    expect(result.relevance).toEqual(plain.relevance);
    expect(canonicalise(importOnnx(model(steps, constants))).final).toBe("softmax");
  });

  it("a sigmoid that is clipped", async () => {
    const steps = [node("Sigmoid", ["z"], ["s"]), node("Clip", ["s", "lo", "hi"], ["y"])];
    const network = canonicalise(importOnnx(model(steps, { lo: value(0), hi: value(1) })));
    expect(network.final).toBe("sigmoid");
    expect((await explained(model(steps, { lo: value(0), hi: value(1) }))).logits).toEqual(
      (await explained(model([], {}, "z"))).logits,
    );
  });
});

describe("what changes the scores stays, and a softmax before it is refused when relevance would cross it", () => {
  it.each<[string, NodeInput[], Record<string, InitializerInput>?]>([
    ["a second softmax", [soft, node("Softmax", ["s"], ["y"], { axis: 1 })]],
    ["a negative factor", [soft, node("Mul", ["s", "k"], ["y"])], { k: value(-1) }],
    ["a factor for each class", [soft, node("Mul", ["s", "k"], ["y"])], { k: value(1, 2, 1, 1) }],
    ["a clip within 0..1", [soft, node("Clip", ["s", "lo", "hi"], ["y"])], { lo: value(0.2), hi: value(0.6) }],
    [
      "a softmax over pairs of classes",
      [
        node("Reshape", ["z", "to"], ["r"]),
        node("Softmax", ["r"], ["s"], { axis: 2 }),
        node("Reshape", ["s", "back"], ["y"]),
      ],
      { to: ints(0, 2, 2), back: ints(0, 4) },
    ],
  ])("%s", (_what, steps, constants) => {
    const network = canonicalise(importOnnx(model(steps, constants)));
    for (const method of ["r-lrp", "epsilon-gamma-box"] as const)
      expect(() =>
        tensorProgram(network, { ...DEFAULT_METHOD, method }, { low: [-1], high: [1], channelAxis: 1 }),
      ).toThrow(
        /node "Softmax to s" \(operator Softmax\) cannot be explained: a softmax is known at the end of a classifier and in gates, and this one is neither/,
      );
  });

  it("a softmax that is a gate stays one", async () => {
    const gate = [node("Softmax", ["z"], ["s"], { axis: 1 }), node("Mul", ["z", "s"], ["y"])];
    const network = canonicalise(importOnnx(model(gate)));
    expect(network.layers.map((l) => l.kind)).toContain("gate");
    expect(network.final).toBe("none");
  });
});
