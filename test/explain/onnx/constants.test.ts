import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runOnnx } from "../../../src/explain/engines/onnxruntime-session.js";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { importOnnx } from "../../../src/explain/onnx/import.js";
import { explainFrames } from "../run.js";
import { relativeError } from "../twin/golden.js";
import type { InitializerInput, NodeInput } from "../twin/onnx-writer.js";
import { classifier, ints, type Message, node, patched, ramp } from "./messages.js";

const SHAPE = [1, 3, 6, 6];
const PICTURE = Float32Array.from({ length: 108 }, (_, k) => Math.sin(k * 0.7));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "constants-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** How far the scores are from those that onnxruntime gives for the file as it is. */
async function errorOfScores(model: Uint8Array): Promise<number> {
  const file = join(folder, "model.onnx");
  writeFileSync(file, model);
  const { scores } = await runOnnx(file, { image: { data: PICTURE, dims: SHAPE } });
  const [explained] = await explainFrames(model, [PICTURE], SHAPE, { low: [0], high: [1], channelAxis: 1 });
  return relativeError(explained!.logits, Float64Array.from(scores!.data as Float32Array));
}

const scalar = (value: number): InitializerInput => ({ dims: [], data: [value] });
const scaled = node("Mul", ["image", "k"], ["y"]);
const floats = (from: string, to: string): NodeInput => node("Cast", [from], [to], { to: 1 });
type Form = [what: string, nodes: NodeInput[], constants: Record<string, InitializerInput>];

/** One operator (or a few) with nothing but constants or dims before it, as exporters leave them. */
const FORMS: Form[] = [
  ...["Relu", "Round", "Sigmoid", "Tanh", "Sign", "Erf", "Softplus", "Sin", "Exp", "Log", "Sqrt"].map(
    (op): Form => [op, [node(op, ["c"], ["k"]), scaled], { c: { dims: [3, 1, 1], data: [0.4, 1.5, 2.6] } }],
  ),
  ...["ReduceMean", "ReduceL2", "ReduceMax", "ReduceSumSquare", "ReduceLogSumExp"].map(
    (op): Form => [op, [node(op, ["c", "axes"], ["k"]), scaled], { c: ramp(3, 2, 2), axes: ints(1, 2) }],
  ),
  ["Clip", [node("Clip", ["c", "", "high"], ["k"]), scaled], { c: ramp(3, 1, 1), high: scalar(0.5) }],
  ["Max of three", [node("Max", ["c", "d", "e"], ["k"]), scaled], { c: ramp(3, 1, 1), d: scalar(0.1), e: scalar(0.9) }],
  ["Sum of three", [node("Sum", ["c", "c", "e"], ["k"]), scaled], { c: ramp(3, 1, 1), e: scalar(0.9) }],
  ["Mod", [node("Mod", ["c", "d"], ["i"]), floats("i", "k"), scaled], { c: ints(-7), d: ints(3) }],
  ["Div of integers", [node("Div", ["c", "d"], ["i"]), floats("i", "k"), scaled], { c: ints(-7), d: ints(2) }],
  [
    "comparisons and Where",
    [
      node("Greater", ["c", "d"], ["g"]),
      node("Not", ["g"], ["n"]),
      node("LessOrEqual", ["c", "d"], ["l"]),
      node("And", ["n", "l"], ["b"]),
      node("Where", ["b", "c", "d"], ["k"]),
      scaled,
    ],
    { c: ramp(3, 1, 1), d: scalar(0.3) },
  ],
  [
    "Size and Shape of a part of the dims",
    [
      node("Size", ["image"], ["all"]),
      node("Shape", ["image"], ["batch"], { end: 1 }),
      node("Div", ["all", "batch"], ["one"]),
      floats("one", "f"),
      node("Reciprocal", ["f"], ["k"]),
      scaled,
    ],
    {},
  ],
  [
    "Shape of a constant",
    [node("Shape", ["c"], ["s"]), node("ReduceProd", ["s"], ["p"]), floats("p", "k"), scaled],
    { c: ramp(3, 2) },
  ],
  [
    "ReduceProd without dims",
    [node("ReduceProd", ["s"], ["p"], { keepdims: 0 }), floats("p", "k"), scaled],
    { s: ints(2, 3) },
  ],
  ["Split", [node("Split", ["c"], ["k", "other"], { axis: 0, num_outputs: 2 }), scaled], { c: ramp(6, 1, 1) }],
  ["Tile", [node("Tile", ["c", "r"], ["k"]), scaled], { c: ramp(1, 1, 1), r: ints(3, 1, 1) }],
  ["TopK", [node("TopK", ["c", "n"], ["k", "at"], { axis: 0 }), scaled], { c: ramp(7, 1, 1), n: ints(3) }],
  ["CumSum", [node("CumSum", ["c", "axis"], ["k"]), scaled], { c: ramp(3, 1, 1), axis: { ...ints(0), dims: [] } }],
  [
    "OneHot",
    [node("OneHot", ["i", "n", "v"], ["h"]), node("Reshape", ["h", "axes"], ["k"]), scaled],
    { i: ints(1), n: ints(3), v: { dims: [2], data: [0.5, 2] }, axes: ints(3, 1, 1) },
  ],
  [
    "NonZero",
    [node("NonZero", ["c"], ["n"]), floats("n", "f"), node("ReduceSum", ["f"], ["k"]), scaled],
    { c: ints(0, 4, 0, 5) },
  ],
  [
    "Compress",
    [node("Cast", ["i"], ["b"], { to: 9 }), node("Compress", ["c", "b"], ["k"], { axis: 0 }), scaled],
    { c: ramp(5, 1, 1), i: ints(1, 0, 1, 1) },
  ],
  [
    "GatherElements",
    [node("GatherElements", ["c", "i"], ["k"]), scaled],
    { c: ramp(3, 1, 1), i: { ...ints(2, 0, 1), dims: [3, 1, 1] } },
  ],
  [
    "ScatterND",
    [node("ScatterND", ["c", "i", "u"], ["k"]), scaled],
    { c: ramp(3, 1, 1), i: { ...ints(1), dims: [1, 1] }, u: ramp(1, 1, 1) },
  ],
  ["Trilu", [node("Trilu", ["c"], ["t"]), node("ReduceSum", ["t"], ["k"]), scaled], { c: ramp(3, 3) }],
  ["Pad", [node("Pad", ["c", "p", "v"], ["k"]), scaled], { c: ramp(1, 1, 1), p: ints(1, 0, 0, 1, 0, 0), v: scalar(2) }],
  ["Dropout", [node("Dropout", ["c"], ["k"]), scaled], { c: ramp(3, 1, 1) }],
  ["CastLike", [node("CastLike", ["i", "c"], ["k"]), scaled], { c: ramp(1), i: ints(3) }],
  [
    "Range and Expand",
    [
      node("Range", ["zero", "three", "one"], ["r"]),
      floats("r", "f"),
      node("Reshape", ["f", "column"], ["c"]),
      node("Expand", ["c", "all"], ["k"]),
      scaled,
    ],
    {
      zero: { ...ints(0), dims: [] },
      three: { ...ints(3), dims: [] },
      one: { ...ints(1), dims: [] },
      column: ints(3, 1, 1),
      all: ints(3, 6, 6),
    },
  ],
  [
    "a shape of the batch filled with one number",
    [node("Shape", ["image"], ["s"]), node("ConstantOfShape", ["s"], ["z"]), node("Add", ["z", "one"], ["k"]), scaled],
    { one: scalar(1.5) },
  ],
  [
    "a constant expanded to the shape of the batch",
    [node("Shape", ["image"], ["s"]), node("Expand", ["c", "s"], ["e"]), node("Sigmoid", ["e"], ["k"]), scaled],
    { c: ramp(3, 1, 1) },
  ],
  [
    "a weight that two others are multiplied to",
    [node("MatMul", ["a", "b"], ["w2"]), node("Reshape", ["w2", "s"], ["w"]), node("Conv", ["image", "w"], ["y"])],
    { a: ramp(3, 5), b: ramp(5, 3), s: ints(3, 3, 1, 1) },
  ],
  [
    "a weight by Einsum",
    [
      node("Einsum", ["a", "b"], ["w2"], { equation: "ij,jk->ik" }),
      node("Reshape", ["w2", "s"], ["w"]),
      node("Conv", ["image", "w"], ["y"]),
    ],
    { a: ramp(3, 5), b: ramp(5, 3), s: ints(3, 3, 1, 1) },
  ],
  [
    "a weight through a softmax",
    [node("Softmax", ["c"], ["w"], { axis: 1 }), node("Conv", ["image", "w"], ["y"])],
    { c: ramp(3, 3, 1, 1) },
  ],
  [
    "a weight that is normalised",
    [node("InstanceNormalization", ["c", "g", "b"], ["w"]), node("Conv", ["image", "w"], ["y"])],
    { c: ramp(3, 3, 2, 2), g: ramp(3), b: ramp(3) },
  ],
  [
    "a weight normalised in training mode",
    [
      node("BatchNormalization", ["c", "g", "g", "g", "g"], ["w", "mean", "variance"], { training_mode: 1 }),
      node("Conv", ["image", "w"], ["y"]),
    ],
    { c: ramp(3, 3, 2, 2), g: { dims: [3], data: [1, 1, 1] } },
  ],
  [
    "a weight in float64",
    [floats("c", "w"), node("Conv", ["image", "w"], ["y"])],
    { c: { ...ramp(3, 3, 1, 1), type: "float64" } },
  ],
  ["a slope of a PRelu with the axis of the batch", [node("PRelu", ["image", "c"], ["y"])], { c: ramp(1, 3, 1, 1) }],
  ["a slope of a PRelu a channel", [node("PRelu", ["image", "c"], ["y"])], { c: ramp(3, 1, 1) }],
];

describe("what has only constants before it is computed at import, as onnxruntime computes it", () => {
  it.each(FORMS)("%s", async (_what, nodes, constants) => {
    expect(await errorOfScores(classifier(nodes, constants))).toBeLessThan(1e-6);
  });

  it("large constants too, which onnxruntime is given to compute", async () => {
    const nodes = [
      node("Sqrt", ["c"], ["s"]),
      node("ReduceMean", ["s", "axes"], ["m"], { keepdims: 0 }),
      node("Unsqueeze", ["m", "last"], ["k"]),
      scaled,
    ];
    const c = { dims: [3, 1024, 512], data: Float32Array.from({ length: 3 * 2 ** 19 }, (_, k) => k % 11) };
    const model = classifier(nodes, { c, axes: ints(1, 2), last: ints(1, 2) });
    expect(await errorOfScores(model)).toBeLessThan(1e-5);
  });

  it("weights through float16 and in integers, rounded as the file says", () => {
    const kernels = (nodes: NodeInput[], constants: Record<string, InitializerInput>): number[] => {
      const [conv] = importOnnx(classifier([...nodes, node("Conv", ["image", "w"], ["y"])], constants)).layers;
      return conv?.kind === "conv" ? Array.from(conv.weight.data) : [];
    };
    const data = [1, -2, 3, -4, 5, -6, 7, 100, -100];
    const half = [node("Cast", ["c"], ["h"], { to: 10 }), node("Mul", ["h", "h"], ["hh"]), floats("hh", "w")];
    expect(kernels(half, { c: { dims: [3, 3, 1, 1], data: data.map((v) => v + 1 / 3) } }).slice(0, 2)).toEqual([
      1.77734375, 2.779296875,
    ]);
    const whole = [node("Cast", ["c"], ["q"], { to: 3 }), node("DequantizeLinear", ["q", "s"], ["w"])];
    expect(kernels(whole, { c: { dims: [3, 3, 1, 1], data, type: "int64" }, s: scalar(0.25) })).toEqual(
      data.map((v) => v / 4),
    );
  });

  it("outputs that are not named cost nothing: onnxruntime itself would end the process", () => {
    const nodes = [
      node("BatchNormalization", ["c", "g", "g", "g", "g"], ["w", "", ""], { training_mode: 1 }),
      node("Conv", ["image", "w"], ["y"]),
    ];
    const model = classifier(nodes, { c: ramp(3, 3, 2, 2), g: { dims: [3], data: [1, 1, 1] } });
    expect(importOnnx(model).layers[0]!.operator).toBe("Conv");
  });

  it("a weight in bfloat16 and one in four bits", () => {
    const model = classifier(
      [floats("a", "f"), node("DequantizeLinear", ["b", "s"], ["g"]), node("Add", ["f", "g"], ["k"]), scaled],
      { a: ramp(3), b: ramp(3), s: scalar(0.5) },
      { opset: 21 },
    );
    const network = importOnnx(
      patched(model, (m) => {
        const at = (name: string): Message => m.graph.initializer.find((t: { name: string }) => t.name === name);
        Object.assign(at("a"), {
          dims: [3, 1, 1],
          dataType: 16,
          rawData: Uint8Array.of(0x80, 0x3f, 0x00, 0xc0, 0x40, 0x40),
        });
        Object.assign(at("b"), { dims: [3, 1, 1], dataType: 22, rawData: Uint8Array.of(0x7f, 0x08) });
      }),
    );
    // bfloat16: 1, -2, 3; four bits: -1, 7, -8, halved.
    const [scale] = network.layers.filter((l) => l.kind === "scale");
    expect(Array.from(scale!.factor!.data)).toEqual([0.5, 1.5, -1]);
  });
});

describe("control flow", () => {
  const graph = (nodes: NodeInput[], constants: Record<string, InitializerInput> = {}): Message => {
    let inner: Message;
    patched(classifier(nodes, constants), (m) => {
      inner = { ...m.graph, node: m.graph.node.slice(0, nodes.length), output: [{ name: "out" }], input: [] };
    });
    return inner;
  };
  const withIf = (condition: InitializerInput): Uint8Array =>
    patched(classifier([floats("image", "x"), node("If", ["b"], ["y"])], { b: condition }), (m) => {
      m.graph.node[1].attribute = [
        {
          name: "then_branch",
          type: 5,
          g: graph([node("Mul", ["x", "k"], ["t"]), node("Relu", ["t"], ["out"])], { k: ramp(3, 1, 1) }),
        },
        { name: "else_branch", type: 5, g: graph([node("Neg", ["x"], ["out"])]) },
      ];
    });

  it("a branch whose condition is known is taken, with its own weights", async () => {
    const bool = (model: Uint8Array, value: number): Uint8Array =>
      patched(model, (m) => {
        const b = m.graph.initializer.find((t: { name: string }) => t.name === "b");
        Object.assign(b, { dims: [], dataType: 9, rawData: Uint8Array.of(value) });
      });
    const model = withIf(ints(1));
    expect(
      importOnnx(bool(model, 1))
        .layers.map((l) => l.operator)
        .slice(0, 2),
    ).toEqual(["Mul", "Relu"]);
    expect(
      importOnnx(bool(model, 0))
        .layers.map((l) => l.operator)
        .slice(0, 1),
    ).toEqual(["Neg"]);
    for (const value of [0, 1]) expect(await errorOfScores(bool(model, value))).toBeLessThan(1e-6);
  });

  it("functions of the file are written out where they are called", async () => {
    const model = patched(classifier([node("Block", ["image"], ["a"]), node("Block", ["a"], ["y"])]), (m) => {
      for (const call of m.graph.node.slice(0, 2)) {
        call.domain = "local";
        call.attribute = [{ name: "slope", type: 1, f: 0.25 }];
      }
      m.opsetImport.push({ domain: "local", version: 1 });
      m.functions = [
        {
          name: "Block",
          domain: "local",
          input: ["in"],
          output: ["out"],
          attribute: ["slope"],
          opsetImport: [{ domain: "", version: 18 }],
          node: [
            {
              opType: "LeakyRelu",
              input: ["in"],
              output: ["r"],
              attribute: [{ name: "alpha", type: 1, refAttrName: "slope" }],
            },
            { opType: "Add", input: ["r", "in"], output: ["out"] },
          ],
        },
      ];
    });
    expect(
      canonicalise(importOnnx(model))
        .layers.map((l) => l.operator)
        .slice(0, 4),
    ).toEqual(["LeakyRelu", "Add", "LeakyRelu", "Add"]);
    const [explained] = await explainFrames(model, [PICTURE], SHAPE, { low: [0], high: [1], channelAxis: 1 });
    const [twice] = [0, 1].reduce<Float32Array[]>(([x]) => [x!.map((v) => v + (v < 0 ? 0.25 * v : v))], [PICTURE]);
    const [plain] = await explainFrames(classifier([node("Identity", ["image"], ["y"])]), [twice!], SHAPE, {
      low: [0],
      high: [1],
      channelAxis: 1,
    });
    expect(relativeError(explained!.logits, Float64Array.from(plain!.logits))).toBeLessThan(1e-6);
  });
});
