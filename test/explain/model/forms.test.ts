import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadModel } from "../../../src/explain/model/load.js";
import { node, patched, ramp } from "../onnx/messages.js";
import { explainFrames } from "../run.js";
import { relativeError } from "../twin/golden.js";
import { buildModel, type InitializerInput, type NodeInput } from "../twin/onnx-writer.js";
import { twin } from "../twin/twin.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "forms-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const SHAPE = [1, 3, 6, 6];
const RANGE = { low: [-1], high: [1] };
const frame = Float64Array.from({ length: 108 }, (_, k) => Math.fround(Math.cos(k)));

const FEATURES = [
  node("Conv", ["image", "w"], ["c"]),
  node("Relu", ["c"], ["r"]),
  node("GlobalAveragePool", ["r"], ["p"]),
  node("Flatten", ["p"], ["f"]),
];
/** Numbers that float16 holds as they are. */
const eighths = (...dims: number[]): InitializerInput => ({
  dims,
  data: (ramp(...dims).data as number[]).map((v) => Math.round(8 * v) / 8),
});
const WEIGHTS = { w: eighths(5, 3, 1, 1), h: eighths(5, 4) };

const network = (
  nodes: NodeInput[],
  initializers: Record<string, InitializerInput> = WEIGHTS,
  output = "scores",
): Uint8Array =>
  buildModel({
    inputs: [{ name: "image", dims: ["N", 3, 6, 6] }],
    nodes: nodes.map((n) => ({ ...n, name: n.outputs[0]! })),
    initializers,
    outputs: [output],
  });

function load(model: Uint8Array, card = "") {
  const file = join(folder, "model.onnx");
  writeFileSync(file, model);
  writeFileSync(join(folder, "model.yaml"), card);
  const loaded = loadModel(file);
  return { ...loaded, notes: loaded.notes.map((note) => note.slice(file.length + 2)) };
}

/** The bits of a float16, of a number that it holds. */
function half(v: number): number {
  if (v === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(v)));
  const fraction = Math.round((Math.abs(v) / 2 ** exponent - 1) * 1024);
  return (v < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
}
const inHalf = (data: ArrayLike<number>): Uint8Array => new Uint8Array(Uint16Array.from(data, (v) => half(v)).buffer);
/** The upper half of each float32. */
const inBfloat = (data: ArrayLike<number>): Uint8Array =>
  new Uint8Array(Uint16Array.from(new Uint32Array(Float32Array.from(data).buffer), (bits) => bits >>> 16).buffer);

/** A file with its weights in another element type. */
const withWeights = (model: Uint8Array, dataType: number, raw: (data: ArrayLike<number>) => Uint8Array): Uint8Array =>
  patched(model, (m) => {
    for (const tensor of m.graph.initializer) {
      const bytes = Uint8Array.from(tensor.rawData);
      tensor.rawData = raw(new Float32Array(bytes.buffer));
      tensor.dataType = dataType;
    }
  });

describe("a file in half precision is the network in float32", () => {
  const straight = [...FEATURES, node("Gemm", ["f", "h"], ["scores"])];
  const [first, ...rest] = FEATURES as [NodeInput, ...NodeInput[]];
  const between = [
    node("Cast", ["image"], ["x"], { to: 10 }),
    { ...first, inputs: ["x", "w"] },
    ...rest,
    node("Gemm", ["f", "h"], ["s"]),
    node("Cast", ["s"], ["scores"], { to: 1 }),
  ];

  it.each<[string, NodeInput[], number]>([
    ["with float32 at its ends", between, 1],
    ["without", straight, 10],
  ])("%s", async (_what, nodes, type) => {
    const model = patched(withWeights(network(nodes), 10, inHalf), (m) => {
      m.graph.input[0].type.tensorType.elemType = type;
      m.graph.output[0].type.tensorType.elemType = type;
    });
    const { network: read, notes } = load(model);
    expect(notes).toEqual(["its numbers: float16 weights, taken as float32"]);
    expect(read.layers).toHaveLength(5);
    expect(await explainFrames(model, [frame], SHAPE, RANGE)).toEqual(
      await explainFrames(network(straight), [frame], SHAPE, RANGE),
    );
  });

  it("with weights of bfloat16, each cast where it is read", () => {
    const casts = ["w", "h"].map((name) => node("Cast", [`${name} small`], [name], { to: 1 }));
    const small = { "w small": WEIGHTS.w, "h small": WEIGHTS.h };
    const { network: read, notes } = load(withWeights(network([...casts, ...straight], small), 16, inBfloat));
    expect(notes).toEqual(["its numbers: bfloat16 weights, taken as float32"]);
    expect(read.layers).toEqual(load(network(straight)).network.layers);
  });
});

it("what became of a quantised file is said", () => {
  const q = { scale: { dims: [], data: [0.05] }, zero: { dims: [], data: [0], type: "uint8" as const } };
  const whole = {
    dims: [5, 4],
    data: (ramp(5, 4).data as number[]).map((v) => Math.round(100 * v)),
    type: "int8" as const,
  };
  const { notes } = load(
    network(
      [
        FEATURES[0]!,
        node("QuantizeLinear", ["c", "scale", "zero"], ["q"]),
        node("DequantizeLinear", ["q", "scale", "zero"], ["r"]),
        ...FEATURES.slice(2),
        node("DequantizeLinear", ["h", "scale"], ["head"]),
        node("Gemm", ["f", "head"], ["scores"]),
      ],
      { ...WEIGHTS, ...q, h: whole },
    ),
  );
  expect(notes).toEqual([
    "its numbers: int8 weights, dequantised; 1 tensor rounded and clipped as the file quantises them, 1 of them in place of a ReLU",
  ]);
});

describe("the card says what makes probabilities of the scores", () => {
  const logits = [...FEATURES, node("Gemm", ["f", "h"], ["scores"])];
  const soft = [...FEATURES, node("Gemm", ["f", "h"], ["z"]), node("Softmax", ["z"], ["scores"], { axis: 1 })];

  it("where the file leaves the sigmoid out", () => {
    const { network: read, notes } = load(network(logits), "activation: sigmoid\n");
    expect(read.final).toBe("sigmoid");
    expect(notes).toEqual([]);
  });

  it("before the file, and a sentence says so", () => {
    const { network: read, notes } = load(network(soft), "activation: sigmoid\n");
    expect(read.final).toBe("sigmoid");
    expect(notes).toEqual(["its file ends in a softmax, and its card says activation sigmoid: the card's is taken"]);
  });

  it("in one of two words", () => {
    expect(() => load(network(logits), "activation: relu\n")).toThrow(
      /model\.yaml:1:1: activation is wrong: must be softmax or sigmoid/,
    );
  });
});

it("cosine similarities with constant embeddings are scores like any other", async () => {
  const model = network(
    [
      ...FEATURES,
      node("ReduceL2", ["f"], ["length"], { axes: [1], keepdims: 1 }),
      node("Div", ["f", "length"], ["e"]),
      node("MatMul", ["e", "texts"], ["similar"]),
      node("Mul", ["similar", "scale"], ["scores"]),
    ],
    { ...WEIGHTS, texts: ramp(5, 3), scale: { dims: [], data: [14] } },
  );
  const opset = patched(model, (m) => {
    m.opsetImport[0].version = 17;
  });
  const [explained] = await explainFrames(opset, [frame], SHAPE, RANGE);
  const expected = twin(opset, frame, SHAPE, RANGE);
  expect(relativeError(explained!.logits, expected.logits)).toBeLessThan(1e-5);
  expect(relativeError(explained!.relevance, expected.relevance)).toBeLessThan(1e-4);
});
