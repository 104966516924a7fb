import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { foldScales } from "../../../src/explain/network/fold-scales.js";
import type { Network } from "../../../src/explain/network/network.js";
import { recogniseActivations } from "../../../src/explain/network/recognise-activations.js";
import { recogniseProducts } from "../../../src/explain/network/recognise-products.js";
import { stripFinal } from "../../../src/explain/network/strip-final.js";
import { importOnnx } from "../../../src/explain/onnx/import.js";
import { classifier, ints, node, patched, ramp } from "../onnx/messages.js";
import { explainFrames } from "../run.js";
import { goldenCase, goldenNames, relativeError } from "../twin/golden.js";
import type { InitializerInput, NodeInput } from "../twin/onnx-writer.js";

const frame = Float32Array.from({ length: 108 }, (_, k) => Math.sin(k * k));

/** What onnxruntime gives for the file itself. */
async function outputOf(model: Uint8Array, data: Float32Array, dims: number[]): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(model, { logSeverityLevel: 3 });
  const result = await session.run({ [session.inputNames[0]!]: new ort.Tensor("float32", data, dims) });
  await session.release();
  return result[session.outputNames[0]!]!.data as Float32Array;
}

const softmax = (z: Float32Array): number[] => {
  const e = Array.from(z, (v) => Math.exp(v - Math.max(...z)));
  return e.map((v) => v / e.reduce((a, b) => a + b));
};

describe("the canonical form of every golden network", () => {
  it.each(goldenNames())("%s gives the scores of the file", async (name) => {
    const { model, frames, shape, low, high } = goldenCase(name);
    const network = canonicalise(importOnnx(model));
    const data = Float32Array.from(frames[0]!);
    const expected = await outputOf(model, data, shape);
    const [explained] = await explainFrames(network, [data], shape, { low, high, inputRule: "flat" });
    const scores = { none: explained!.logits, softmax: softmax(explained!.logits), sigmoid: explained!.probabilities };
    expect(relativeError(scores[network.final], expected)).toBeLessThan(1e-5);
  });
});

const kinds = (network: Network): string[] => network.layers.map((l) => l.kind);
const ALL = { stripFinal, recogniseActivations, recogniseProducts, foldScales };

/** A network before and after a transform; the first is left as it was. */
function transformed(model: Uint8Array, name: keyof typeof ALL): { before: Network; after: Network } {
  const before = importOnnx(model);
  const copy = structuredClone(before);
  const after = ALL[name](before);
  expect(before).toEqual(copy);
  return { before, after };
}

/** The transform keeps the logits of the file. */
async function expectSameScores(model: Uint8Array, after: Network): Promise<void> {
  const [explained] = await explainFrames(recogniseProducts(after), [frame], [1, 3, 6, 6], { inputRule: "flat" });
  expect(relativeError(explained!.logits, await outputOf(model, frame, [1, 3, 6, 6]))).toBeLessThan(1e-5);
}

const bn = ["g", "b", "m", "v"];
const statistics = {
  g: { dims: [4], data: [1, -2, 0.5, 3] },
  b: ramp(4),
  m: { dims: [4], data: [0.3, -0.1, 0, 1] },
  v: { dims: [4], data: [1, 0.5, 2, 0.01] },
};
const weights = { w: ramp(4, 3, 3, 3), ...statistics };
const conv = node("Conv", ["image", "w"], ["c"], { pads: [1, 1, 1, 1] });
const norm = node("BatchNormalization", ["c", ...bn], ["y"], { epsilon: 0.1 });
type Case = [
  what: string,
  nodes: NodeInput[],
  constants: Record<string, InitializerInput>,
  before: string[],
  after: string[],
];
const HEAD = ["mean", "reshape", "dense"];

describe("scales and shifts fold into the linear layer whose only reader they are", () => {
  it.each([
    ["tokens", [0, 2, 1], 1, [4]],
    ["tokens in the columns", [0, 1, 2], 2, [4, 1]],
  ])("of a mean of %s that keeps its axis, one value a channel", async (_what, perm, axis, dims) => {
    const nodes = [
      node("Conv", ["image", "w"], ["c"]),
      node("Reshape", ["c", "rows"], ["r"]),
      node("Transpose", ["r"], ["t"], { perm }),
      node("ReduceMean", ["t", "axis"], ["m"]),
      node("Mul", ["m", "factor"], ["n"]),
      node("Add", ["n", "shift"], ["o"]),
      node("Reshape", ["o", "picture"], ["y"]),
    ];
    const constants = {
      w: ramp(4, 3, 1, 1),
      rows: ints(0, 4, 36),
      axis: ints(axis),
      factor: { dims, data: [0.5, -2, 3, 1] },
      shift: { dims, data: [1, 2, 0, -1] },
      picture: ints(0, 4, 1, 1),
    };
    const model = classifier(nodes, constants, { channels: 4 });
    const { after } = transformed(model, "foldScales");
    expect(kinds(after)).not.toContain("scale");
    await expectSameScores(model, after);
  });

  it.each<Case>([
    ["batch norm, with its own ε", [conv, norm], {}, ["conv", "scale"], ["conv"]],
    [
      "one after another, in reverse order too",
      [
        conv,
        node("Mul", ["c", "k"], ["m1"]),
        node("Sub", ["two", "m1"], ["m2"]),
        node("Div", ["m2", "k"], ["m3"]),
        node("Neg", ["m3"], ["y"]),
      ],
      { k: { dims: [4, 1, 1], data: [2, -1, 0.5, 3] }, two: { dims: [], data: [2] } },
      ["conv", "scale", "scale", "scale", "scale"],
      ["conv"],
    ],
    [
      "a mean, keeping its sign",
      [conv, node("GlobalAveragePool", ["c"], ["p"]), node("BatchNormalization", ["p", ...bn], ["y"])],
      {},
      ["conv", "mean", "scale"],
      ["conv", "mean"],
    ],
    [
      "an average pool",
      [
        conv,
        node("AveragePool", ["c"], ["p"], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
        node("BatchNormalization", ["p", ...bn], ["y"]),
      ],
      {},
      ["conv", "averagePool", "scale"],
      ["conv", "averagePool"],
    ],
    [
      "but not a constant that differs from place to place",
      [conv, node("Mul", ["c", "k"], ["y"])],
      { k: ramp(1, 1, 6, 6) },
      ["conv", "scale"],
      ["conv", "scale"],
    ],
    [
      "nor one along the width that is as long as the channels are many",
      [node("Conv", ["image", "w"], ["c"]), node("Mul", ["c", "k"], ["y"])],
      { k: ramp(4) },
      ["conv", "scale"],
      ["conv", "scale"],
    ],
    [
      "nor where something else reads the layer",
      [conv, norm, node("Add", ["c", "y"], ["z"])],
      {},
      ["conv", "scale", "add"],
      ["conv", "scale", "add"],
    ],
    [
      "nor before a padded convolution",
      [
        node("BatchNormalization", ["image", "g3", "g3", "g3", "g3"], ["n"]),
        node("Conv", ["n", "w"], ["y"], { pads: [1, 1, 1, 1] }),
      ],
      { g3: { dims: [3], data: [1, 2, 3] } },
      ["scale", "conv"],
      ["scale", "conv"],
    ],
  ])("%s", async (_what, nodes, constants, kindsBefore, kindsAfter) => {
    const model = classifier(nodes, { ...weights, ...constants }, { channels: 4, y: nodes.at(-1)!.outputs[0]! });
    const { before, after } = transformed(model, "foldScales");
    expect(kinds(before)).toEqual([...kindsBefore, ...HEAD]);
    expect(kinds(after)).toEqual([...kindsAfter, ...HEAD]);
    await expectSameScores(model, after);
  });

  it("a scale of scores into the dense layer", async () => {
    const model = patched(classifier([conv, norm], weights, { channels: 4 }), (m) => {
      const scores = m.graph.node.at(-1);
      scores.output = ["unscaled"];
      m.graph.node.push({ opType: "Mul", name: "temperature", input: ["unscaled", "g"], output: ["scores"] });
    });
    const { after } = transformed(model, "foldScales");
    expect(kinds(after)).toEqual(["conv", ...HEAD]);
    await expectSameScores(model, after);
  });
});

describe("activations spelled out of several nodes become one layer", () => {
  const sigmoid = node("Sigmoid", ["c"], ["s"]);
  it.each<Case>([
    ["silu", [conv, sigmoid, node("Mul", ["c", "s"], ["y"])], {}, ["activation", "pair"], ["activation"]],
    [
      "gelu",
      [
        conv,
        node("Div", ["c", "root"], ["d"]),
        node("Erf", ["d"], ["e"]),
        node("Add", ["e", "one"], ["f"]),
        node("Mul", ["c", "f"], ["h"]),
        node("Mul", ["h", "half"], ["y"]),
      ],
      { root: { dims: [], data: [Math.SQRT2] }, one: { dims: [1], data: [1] }, half: { dims: [], data: [0.5] } },
      ["scale", "activation", "scale", "pair", "scale"],
      ["activation", "scale"],
    ],
    [
      "but not where another layer reads what is inside",
      [conv, sigmoid, node("Mul", ["c", "s"], ["t"]), node("Add", ["t", "s"], ["y"])],
      {},
      ["activation", "pair", "add"],
      ["activation", "pair", "add"],
    ],
  ])("%s", async (_what, nodes, constants, kindsBefore, kindsAfter) => {
    const model = classifier(nodes, { ...weights, ...constants }, { channels: 4 });
    const { before, after } = transformed(model, "recogniseActivations");
    expect(kinds(before)).toEqual(["conv", ...kindsBefore, ...HEAD]);
    expect(kinds(after)).toEqual(["conv", ...kindsAfter, ...HEAD]);
    await expectSameScores(model, after);
  });

  it("in time that grows with their length, whatever they are", () => {
    const doublings = Array.from({ length: 60 }, (_, k) => node("Add", [`d${k}`, `d${k}`], [`d${k + 1}`]));
    const nodes = [
      node("Relu", ["image"], ["d0"]),
      ...doublings,
      node("Sigmoid", ["image"], ["s"]),
      node("Mul", ["d60", "s"], ["y"]),
    ];
    expect(() => canonicalise(importOnnx(classifier(nodes)))).not.toThrow();
  });
});

describe("the gate of a product is told from its signal", () => {
  const scalar = (value: number): InitializerInput => ({ dims: [], data: [value] });
  const [zero, three, six] = [scalar(0), scalar(3), scalar(6)];
  const squeeze = [conv, node("GlobalAveragePool", ["c"], ["p"])];
  const clip = (x: string, y: string) => node("Clip", [x, "zero", "six"], [y]);
  const spelled = [node("Add", ["p", "three"], ["q"]), clip("q", "r"), node("Div", ["r", "six"], ["gate"])];
  const constants = { ...weights, three, zero, six };
  const nameOf = (model: Uint8Array, which: 0 | 1): string => {
    const { after } = transformed(model, "recogniseProducts");
    const gate = after.layers.find((l) => l.kind === "gate")!;
    return after.layers.find((l) => l.outputs[0] === gate.inputs[which])!.operator;
  };

  it.each<[string, NodeInput[], string, string]>([
    ["sigmoid", [...squeeze, node("Sigmoid", ["p"], ["gate"]), node("Mul", ["c", "gate"], ["y"])], "Conv", "Sigmoid"],
    [
      "turned round",
      [...squeeze, node("Sigmoid", ["p"], ["gate"]), node("Mul", ["gate", "c"], ["y"])],
      "Conv",
      "Sigmoid",
    ],
    ["hard-sigmoid spelled out", [...squeeze, ...spelled, node("Mul", ["c", "gate"], ["y"])], "Conv", "Div"],
    [
      "hard-sigmoid divided after the product",
      [...squeeze, ...spelled.slice(0, 2), node("Mul", ["c", "r"], ["h"]), node("Div", ["h", "six"], ["y"])],
      "Conv",
      "Clip",
    ],
    [
      "sigmoid on a signal that ReLU6 cut off after batch norm",
      [
        conv,
        { ...norm, outputs: ["n"] },
        clip("n", "k"),
        node("GlobalAveragePool", ["k"], ["p"]),
        node("Sigmoid", ["p"], ["gate"]),
        node("Mul", ["k", "gate"], ["y"]),
      ],
      "Clip",
      "Sigmoid",
    ],
    [
      "softmax over places",
      [conv, node("Softmax", ["c"], ["gate"], { axis: 3 }), node("Mul", ["gate", "c"], ["y"])],
      "Conv",
      "Softmax",
    ],
  ])("%s", (_what, nodes, signal, gate) => {
    const model = classifier(nodes, constants, { channels: 4 });
    expect([nameOf(model, 0), nameOf(model, 1)]).toEqual([signal, gate]);
  });
});

describe("what comes after the scores is taken off", () => {
  const end = (...nodes: object[]): Uint8Array =>
    patched(classifier([conv, norm], weights, { channels: 4 }), (m) => {
      m.graph.node.push(...nodes);
      m.graph.output[0].name = "end";
    });
  const soft = (op: string, input: string, output: string) => ({
    opType: op,
    name: op,
    input: [input],
    output: [output],
  });
  it.each([
    ["softmax", end(soft("Softmax", "scores", "end"))],
    ["sigmoid", end(soft("Sigmoid", "scores", "end"))],
    ["softmax", end(soft("Softmax", "scores", "s"), soft("Flatten", "s", "end"))],
    ["none", end(soft("Identity", "scores", "end"))],
  ] as const)("%s", (final, model) => {
    const { after } = transformed(model, "stripFinal");
    expect(after.final).toBe(final);
    expect(kinds(after)).toEqual(["conv", "scale", ...HEAD]);
    expect(after.shapes.get(after.output)).toEqual([-1, 4]);
  });
});
