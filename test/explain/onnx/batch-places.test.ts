import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runOnnx } from "../../../src/explain/engines/onnxruntime-session.js";
import { explainFrames } from "../run.js";
import { relativeError } from "../twin/golden.js";
import type { InitializerInput, NodeInput } from "../twin/onnx-writer.js";
import { classifier, ints, node, patched, ramp } from "./messages.js";

const SHAPE = [1, 3, 6, 6];
const RANGE = { low: [-1, -1.5, -2], high: [1, 2, 1.5], channelAxis: 1 };
const frames = [2, 3, 5].map((k) => Float32Array.from({ length: 108 }, (_, i) => Math.cos(i * k) + 0.2));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "places-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What onnxruntime gives for the file as it is, frame by frame. */
async function scoresOf(model: Uint8Array, batch: boolean): Promise<Float32Array[]> {
  const file = join(folder, "model.onnx");
  writeFileSync(file, model);
  const run = async (data: Float32Array, count: number) =>
    (await runOnnx(file, { image: { data, dims: [count, ...SHAPE.slice(1)] } })).scores!.data as Float32Array;
  if (!batch) return Promise.all(frames.map((frame) => run(frame, 1)));
  const all = await run(Float32Array.from(frames.flatMap((f) => Array.from(f))), frames.length);
  return frames.map((_, n) => all.slice(n * 4, n * 4 + 4));
}

/** Scores are those of the file; a frame's map is the same whatever stands beside it in the batch. */
async function expectFramesApart(model: Uint8Array, batch = true): Promise<void> {
  const scores = await scoresOf(model, batch);
  const together = await explainFrames(model, frames, SHAPE, RANGE);
  for (const [n, frame] of frames.entries()) {
    const [alone] = await explainFrames(model, [frame], SHAPE, RANGE);
    expect(relativeError(together[n]!.logits, scores[n]!)).toBeLessThan(1e-5);
    expect(relativeError(together[n]!.relevance, alone!.relevance)).toBeLessThan(1e-5);
    expect(alone!.relevance.some((v) => v !== 0)).toBe(true);
  }
}

const conv = node("Conv", ["image", "w"], ["c"], { pads: [1, 1, 1, 1] });
const named = (op: string, inputs: string[], output: string, attributes: NodeInput["attributes"] = {}): NodeInput => ({
  ...node(op, inputs, [output], attributes),
  name: output,
});
/** `[N, 4, 6, 6]` as 36 tokens of 4 channels, and back. */
const tokens = [conv, named("Reshape", ["c", "rows"], "r"), named("Transpose", ["r"], "t", { perm: [0, 2, 1] })];
const back = (from: string): NodeInput[] => [
  named("Transpose", [from], "turned", { perm: [0, 2, 1] }),
  named("Reshape", ["turned", "picture"], "y"),
];
const constants = { w: ramp(4, 3, 3, 3), rows: ints(0, 4, 36), picture: ints(0, 4, 6, 6) };
type Form = [what: string, nodes: NodeInput[], constants: Record<string, InitializerInput>, fixed?: boolean];

const FORMS: Form[] = [
  [
    "tokens first, as PyTorch's own attention wants them, its heads beside the batch",
    [
      ...tokens,
      named("Transpose", ["t"], "first", { perm: [1, 0, 2] }),
      named("Reshape", ["first", "heads"], "h"),
      named("Transpose", ["h"], "q", { perm: [1, 0, 2] }),
      named("Transpose", ["q"], "k", { perm: [0, 2, 1] }),
      named("MatMul", ["q", "k"], "s"),
      named("Softmax", ["s"], "a", { axis: -1 }),
      named("MatMul", ["a", "q"], "o"),
      named("Transpose", ["o"], "o1", { perm: [1, 0, 2] }),
      named("Reshape", ["o1", "all"], "o2"),
      named("Gemm", ["o2", "g", "b"], "o3", { transB: 1 }),
      named("Reshape", ["o3", "apart"], "o4"),
      named("Transpose", ["o4"], "o5", { perm: [1, 0, 2] }),
      ...back("o5"),
    ],
    { heads: ints(36, -1, 2), all: ints(-1, 4), g: ramp(4, 4), b: ramp(4), apart: ints(36, -1, 4) },
  ],
  [
    "a batch norm and a dense layer over the tokens of all frames",
    [
      ...tokens,
      named("Reshape", ["t", "all"], "f"),
      named("BatchNormalization", ["f", "v", "v", "v", "v"], "n"),
      named("Gemm", ["n", "g"], "z"),
      named("Reshape", ["z", "apart"], "o"),
      ...back("o"),
    ],
    { all: ints(-1, 4), apart: ints(-1, 36, 4), v: { dims: [4], data: [1, 0.5, 2, 0.7] }, g: ramp(4, 4) },
  ],
  [
    "a matrix of its own for each head",
    [
      ...tokens,
      named("Reshape", ["t", "heads"], "h"),
      named("Transpose", ["h"], "q", { perm: [0, 2, 1, 3] }),
      named("MatMul", ["q", "each"], "z"),
      named("Transpose", ["z"], "z1", { perm: [0, 2, 1, 3] }),
      named("Reshape", ["z1", "joined"], "o"),
      ...back("o"),
    ],
    { heads: ints(0, 36, 2, 2), each: ramp(2, 2, 2), joined: ints(0, 36, 4) },
  ],
  ["a matrix from the left", [...tokens, named("MatMul", ["m", "t"], "o"), ...back("o")], { m: ramp(36, 36) }],
  [
    "convolutions over the windows of each frame",
    [
      conv,
      named("Reshape", ["c", "split"], "s"),
      named("Transpose", ["s"], "s1", { perm: [0, 2, 1, 3, 4] }),
      named("Reshape", ["s1", "windows"], "s2"),
      named("Conv", ["s2", "d"], "d1", { pads: [1, 1, 1, 1], group: 4 }),
      named("Reshape", ["d1", "unsplit"], "u"),
      named("Transpose", ["u"], "u1", { perm: [0, 2, 1, 3, 4] }),
      named("Reshape", ["u1", "picture"], "y"),
    ],
    { split: ints(-1, 4, 2, 3, 6), windows: ints(-1, 4, 3, 6), d: ramp(4, 1, 3, 3), unsplit: ints(-1, 2, 4, 3, 6) },
  ],
  [
    "a convolution over lines",
    [
      conv,
      named("Reshape", ["c", "rows"], "r"),
      named("Conv", ["r", "l"], "z", { pads: [2, 1] }),
      named("Reshape", ["z", "picture"], "y"),
    ],
    { l: ramp(4, 4, 4) },
  ],
  [
    "elements of each frame by numbers that count frames",
    [
      conv,
      named("Reshape", ["c", "all"], "f"),
      named("Shape", ["c"], "shape", { start: 0, end: 1 }),
      named("Squeeze", ["shape", "zero"], "count"),
      named("Range", ["null", "count", "one"], "n"),
      named("Mul", ["n", "size"], "first"),
      named("Unsqueeze", ["first", "axes"], "at"),
      named("Add", ["at", "places"], "index"),
      named("Gather", ["f", "index"], "y", { axis: 0 }),
    ],
    {
      all: ints(-1),
      zero: ints(0),
      null: { ...ints(0), dims: [] },
      one: { ...ints(1), dims: [] },
      size: { ...ints(144), dims: [] },
      axes: ints(1, 2, 3),
      places: { ...ints(...Array.from({ length: 144 }, (_, k) => (k * 7) % 144)), dims: [1, 4, 6, 6] },
    },
  ],
  [
    "a position code that is counted for each frame",
    [
      conv,
      named("Shape", ["c"], "shape"),
      named("ConstantOfShape", ["shape"], "ones"),
      named("CumSum", ["ones", "axis"], "sum"),
      named("Sin", ["sum"], "wave"),
      named("Conv", ["wave", "p"], "code"),
      named("Add", ["c", "code"], "y"),
    ],
    { axis: { ...ints(2), dims: [] }, p: ramp(4, 4, 1, 1) },
  ],
  [
    "an assignment to slices of tokens",
    [
      ...tokens,
      named("Transpose", ["t"], "first", { perm: [1, 0, 2] }),
      named("Slice", ["first", "zero", "two", "zero"], "part"),
      named("Relu", ["part"], "bent"),
      named("ScatterND", ["first", "places", "bent"], "set"),
      named("Transpose", ["set"], "o", { perm: [1, 0, 2] }),
      ...back("o"),
    ],
    { zero: ints(0), two: ints(2), places: { ...ints(5, 30), dims: [2, 1] } },
  ],
  [
    "an assignment in a file for one frame",
    [
      ...tokens,
      named("Slice", ["t", "zero", "two", "one"], "part"),
      named("Relu", ["part"], "bent"),
      named("ScatterND", ["t", "places", "bent"], "o"),
      ...back("o"),
    ],
    { zero: ints(0), one: ints(1), two: ints(2), places: { ...ints(0, 5, 0, 30), dims: [1, 2, 2] } },
    true,
  ],
  [
    "windows in a file for one frame",
    [
      ...tokens,
      named("Reshape", ["t", "windows"], "s"),
      named("LayerNormalization", ["s", "v"], "n", { axis: 1 }),
      named("Reshape", ["n", "apart"], "o"),
      ...back("o"),
    ],
    { windows: ints(4, 9, 4), apart: ints(1, 36, 4), v: ramp(9, 4) },
    true,
  ],
  ...(
    [
      ["rows by rows", "bic,bjc->bij", "bij,bjc->bic"],
      ["with the batch last", "bic,bjc->ijb", "ijb,bjc->bic"],
    ] as const
  ).map(
    ([what, scores, mix]): Form => [
      `Einsum, ${what}`,
      [
        ...tokens,
        named("Einsum", ["t", "t"], "s", { equation: scores }),
        named("Sigmoid", ["s"], "a"),
        named("Einsum", ["a", "t"], "o", { equation: mix }),
        ...back("o"),
      ],
      {},
    ],
  ),
  [
    "Einsum with a matrix for each of some axes",
    [conv, named("Einsum", ["c", "e"], "y", { equation: "nchw,cwv->nchv" })],
    { e: ramp(4, 6, 6) },
  ],
  [
    "the largest of each channel, the batch on another axis",
    [
      conv,
      named("Transpose", ["c"], "turned", { perm: [1, 0, 2, 3] }),
      named("ReduceMax", ["turned", "space"], "m", { keepdims: 1 }),
      named("Transpose", ["m"], "y", { perm: [1, 0, 2, 3] }),
    ],
    { space: ints(2, 3) },
  ],
  [
    "Einsum that only scales",
    [
      conv,
      named("ReduceMean", ["c", "space"], "m", { keepdims: 0 }),
      named("Sigmoid", ["m"], "a"),
      named("Einsum", ["c", "a"], "y", { equation: "nchw,nc->nchw" }),
    ],
    { space: ints(2, 3) },
  ],
];

describe("the batch may stand anywhere between the picture and the scores", () => {
  it.each(FORMS)("%s", async (_what, nodes, own, fixed = false) => {
    const model = classifier(nodes, { ...constants, ...own }, { channels: 4, batch: fixed ? 1 : "N" });
    await expectFramesApart(model, !fixed);
  });
});

const MICROSOFT = (model: Uint8Array): Uint8Array =>
  patched(model, (m) => {
    m.opsetImport.push({ domain: "com.microsoft", version: 1 });
    for (const n of m.graph.node) if (n.name.startsWith("ms ")) n.domain = "com.microsoft";
  });
const ms = (op: string, inputs: string[], outputs: string[], attributes: NodeInput["attributes"] = {}): NodeInput => ({
  ...node(op, inputs, outputs, attributes),
  name: `ms ${op}`,
});
const v4 = ramp(4);

describe("operators that onnxruntime has fused are written out", () => {
  it.each<Form>([
    ["Gelu", [conv, ms("Gelu", ["c"], ["y"])], {}],
    ["QuickGelu", [conv, ms("QuickGelu", ["c"], ["y"], { alpha: 1.5 })], {}],
    ["BiasGelu", [...tokens, ms("BiasGelu", ["t", "v"], ["o"]), ...back("o")], { v: v4 }],
    ["FastGelu", [...tokens, ms("FastGelu", ["t", "v"], ["o"]), ...back("o")], { v: v4 }],
    [
      "FusedConv with a sum and an activation",
      [conv, ms("FusedConv", ["image", "w2", "v", "c"], ["y"], { pads: [1, 1, 1, 1], activation: "Relu" })],
      { w2: ramp(4, 3, 3, 3), v: v4 },
    ],
    [
      "FusedConv with parameters of its activation",
      [
        ms("FusedConv", ["image", "w", "v"], ["y"], {
          pads: [1, 1, 1, 1],
          activation: "LeakyRelu",
          activation_params: { floats: [0.3] },
        }),
      ],
      { v: v4 },
    ],
    [
      "FusedMatMul",
      [...tokens, ms("FusedMatMul", ["t", "m"], ["o"], { transB: 1, alpha: 0.5 }), ...back("o")],
      { m: ramp(4, 4) },
    ],
    [
      "SkipLayerNormalization, its sum read too",
      [
        ...tokens,
        named("MatMul", ["t", "m"], "z"),
        ms("SkipLayerNormalization", ["z", "t", "g", "v", "b"], ["n", "", "", "sum"], { epsilon: 0.1 }),
        named("Add", ["n", "sum"], "o"),
        ...back("o"),
      ],
      { m: ramp(4, 4), g: v4, v: ramp(4), b: ramp(4) },
    ],
    [
      "MultiHeadAttention",
      [
        ...tokens,
        named("MatMul", ["t", "m"], "z"),
        ms("MultiHeadAttention", ["z", "t", "t", "v"], ["o"], { num_heads: 2 }),
        ...back("o"),
      ],
      { m: ramp(4, 4), v: ramp(12) },
    ],
    [
      "Attention",
      [...tokens, ms("Attention", ["t", "m", "v"], ["o"], { num_heads: 2 }), ...back("o")],
      { m: ramp(4, 12), v: ramp(12) },
    ],
  ])("%s", async (_what, nodes, own) => {
    await expectFramesApart(MICROSOFT(classifier(nodes, { ...constants, ...own }, { channels: 4 })));
  });
});

describe("operators of opset 23 are written out", () => {
  it.each<Form>([
    [
      "RMSNormalization",
      [...tokens, named("RMSNormalization", ["t", "v"], "o", { epsilon: 0.1 }), ...back("o")],
      { v: v4 },
    ],
    [
      "Attention of three axes, with a mask",
      [
        ...tokens,
        named("Attention", ["t", "t", "t", "mask"], "o", { q_num_heads: 2, kv_num_heads: 2, scale: 0.7 }),
        ...back("o"),
      ],
      { mask: ramp(36, 36) },
    ],
    [
      "Attention of four axes, fewer heads of keys, causal",
      [
        ...tokens,
        named("Reshape", ["t", "heads"], "h"),
        named("Transpose", ["h"], "q", { perm: [0, 2, 1, 3] }),
        named("Slice", ["q", "zero", "one", "one"], "k"),
        named("Attention", ["q", "k", "k"], "a", { is_causal: 1 }),
        named("Transpose", ["a"], "a1", { perm: [0, 2, 1, 3] }),
        named("Reshape", ["a1", "rows2"], "o"),
        ...back("o"),
      ],
      { heads: ints(0, 36, 2, 2), zero: ints(0), one: ints(1), rows2: ints(0, 36, 4) },
    ],
    [
      "Attention with a mask and scores that are capped",
      [
        ...tokens,
        named("Attention", ["t", "t", "t", "mask"], "o", { q_num_heads: 2, kv_num_heads: 2, softcap: 0.8 }),
        ...back("o"),
      ],
      { mask: ramp(36, 36) },
    ],
    [
      "Attention that is causal and has a mask of −∞",
      [
        ...tokens,
        named("Attention", ["t", "t", "t", "mask"], "o", { q_num_heads: 2, kv_num_heads: 2, is_causal: 1 }),
        ...back("o"),
      ],
      { mask: { dims: [36, 36], data: Array.from({ length: 36 * 36 }, (_, k) => (k % 37 < 2 ? 0 : -Infinity)) } },
    ],
  ])("%s", async (_what, nodes, own) => {
    await expectFramesApart(classifier(nodes, { ...constants, ...own }, { channels: 4, opset: 23 }));
  });
});
