import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../../../src/errors.js";
import { loadModel } from "../../../src/explain/model/load.js";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { importOnnx } from "../../../src/explain/onnx/import.js";
import { DEFAULT_METHOD } from "../../../src/explain/options.js";
import { tensorProgram } from "../../../src/explain/programs/tensor.js";
import { buildModel, type InitializerInput, type NodeInput } from "../twin/onnx-writer.js";
import { classifier, ints, type Message, node, patched, ramp } from "./messages.js";

const refusal = (model: Uint8Array): string => {
  try {
    canonicalise(importOnnx(model));
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message;
  }
  throw new Error("the model was accepted");
};

const one = (value: number, type: InitializerInput["type"] = "float32"): InitializerInput => ({
  dims: [],
  data: [value],
  type,
});
/** The first number of a constant as a factor: nothing of its size is left in what follows. */
const used = (name: string): NodeInput[] => [
  node("ReduceMax", [name], ["k"], { keepdims: 0 }),
  node("Mul", ["image", "k"], ["y"]),
];
const MUCH = "it would make a constant of";

type Bomb = [what: string, nodes: NodeInput[], constants: Record<string, InitializerInput>, reason: string];

const BOMBS: Bomb[] = [
  [
    "a sum of a row and a column",
    [node("Add", ["a", "b"], ["s"]), ...used("s")],
    { a: ramp(60_000, 1), b: ramp(1, 60_000) },
    MUCH,
  ],
  [
    "a sigmoid of what was expanded",
    [node("Expand", ["a", "n"], ["e"]), node("Sigmoid", ["e"], ["s"]), ...used("s")],
    { a: one(1), n: ints(2 ** 25, 1) },
    MUCH,
  ],
  [
    "one number expanded",
    [node("Expand", ["a", "n"], ["s"]), ...used("s")],
    { a: one(1), n: ints(2 ** 20, 2 ** 20) },
    MUCH,
  ],
  ["one number repeated", [node("Tile", ["a", "n"], ["s"]), ...used("s")], { a: ramp(1), n: ints(2 ** 34) }, MUCH],
  ["a shape filled", [node("ConstantOfShape", ["n"], ["s"]), ...used("s")], { n: ints(2 ** 31) }, MUCH],
  [
    "a long range",
    [node("Range", ["a", "b", "c"], ["s"]), ...used("s")],
    { a: one(0), b: one(67_108_863), c: one(1) },
    MUCH,
  ],
  [
    "a range without end",
    [node("Range", ["a", "b", "c"], ["s"]), ...used("s")],
    { a: one(0), b: one(1e30), c: one(1e-30) },
    "cannot",
  ],
  [
    "one row picked often",
    [node("Gather", ["a", "i"], ["s"]), ...used("s")],
    { a: ramp(1, 30_000), i: { ...ints(...new Array<number>(10_000).fill(0)) } },
    MUCH,
  ],
  [
    "a product of long vectors",
    [node("MatMul", ["a", "b"], ["s"]), ...used("s")],
    { a: ramp(60_000, 1), b: ramp(1, 60_000) },
    MUCH,
  ],
  [
    "an Einsum that sums over everything",
    [node("Einsum", ["a", "a", "a", "a", "a"], ["s"], { equation: "a,b,c,d,e->" }), ...used("s")],
    { a: ramp(1000) },
    "takes too long",
  ],
  [
    "an encoding of many classes",
    [node("OneHot", ["i", "n", "v"], ["s"]), ...used("s")],
    { i: ints(1), n: one(2 ** 33, "int64"), v: ramp(2) },
    "constant",
  ],
  ["padding", [node("Pad", ["a", "n"], ["s"]), ...used("s")], { a: ramp(1), n: ints(2 ** 33, 0) }, MUCH],
  [
    "an enlarged constant",
    [node("Resize", ["a", "", "n"], ["s"]), ...used("s")],
    { a: ramp(1, 1), n: { dims: [2], data: [1e5, 1e5] } },
    MUCH,
  ],
  [
    "a slice in tiny steps",
    [node("Slice", ["a", "f", "t", "x", "n"], ["s"]), ...used("s")],
    { a: ramp(4), f: one(0), t: one(4), x: ints(0), n: one(1e-9) },
    "constants",
  ],
  [
    "a slice of the picture in tiny steps",
    [node("Slice", ["image", "f", "t", "x", "n"], ["y"])],
    { f: { dims: [1], data: [0] }, t: { dims: [1], data: [8] }, x: ints(2), n: { dims: [1], data: [1e-9] } },
    "do not fit",
  ],
  [
    "more axes than anybody writes",
    [node("Unsqueeze", ["a", "n"], ["s"]), ...used("s")],
    { a: ramp(1), n: ints(...Array.from({ length: 5000 }, (_, k) => k)) },
    "axes",
  ],
  [
    "a pool without a stride",
    [node("MaxPool", ["a"], ["s"], { kernel_shape: [2, 2], strides: [0, 0] }), ...used("s")],
    { a: ramp(1, 1, 4, 4) },
    "numbers of 1 or more",
  ],
  [
    "padding of the picture",
    [node("Conv", ["image", "w"], ["y"], { pads: [8000, 8000, 8000, 8000] })],
    { w: ramp(3, 3, 1, 1) },
    "all tensors together",
  ],
  [
    "a picture enlarged",
    [node("Resize", ["image", "", "n"], ["y"])],
    { n: { dims: [4], data: [1, 1, 1000, 1000] } },
    "all tensors together",
  ],
  [
    "a picture enlarged between its pixels",
    [node("Resize", ["image", "", "n"], ["y"], { mode: "linear" })],
    { n: { dims: [4], data: [1, 1, 1e5, 1e5] } },
    "elements",
  ],
  [
    "a shape of thousands of axes for a constant",
    [
      node("ConstantOfShape", ["n"], ["l"]),
      node("Cast", ["l"], ["i"], { to: 7 }),
      node("Expand", ["a", "i"], ["s"]),
      ...used("s"),
    ],
    { a: one(1), n: ints(50_000) },
    "it lists 50000 axes, sizes or places",
  ],
  [
    "a shape of hundreds of axes for the picture",
    [node("Reshape", ["image", "n"], ["y"])],
    { n: ints(0, 3, 6, 6, ...new Array<number>(200).fill(1)) },
    "would have 204 axes",
  ],
  [
    "an axis of a constant cut again and again",
    [node("Slice", ["a", "f", "t", "x"], ["s"]), ...used("s")],
    {
      a: ramp(2 ** 19),
      f: ints(...new Array<number>(4000).fill(0)),
      t: ints(...new Array<number>(4000).fill(2 ** 30)),
      x: ints(...new Array<number>(4000).fill(0)),
    },
    "cannot be told beforehand",
  ],
  [
    "an axis of the picture cut twice",
    [node("Slice", ["image", "f", "t", "x"], ["y"])],
    { f: ints(0, 1), t: ints(3, 3), x: ints(2, -2) },
    "it cuts an axis twice",
  ],
  [
    "a weight that is made from itself and is no number",
    [node("Identity", ["w"], ["w"]), node("Mul", ["image", "w"], ["y"])],
    { w: { dims: [3, 1, 1], data: [1, Number.NaN, 1] } },
    'its weight "w" holds NaN at position 1',
  ],
  [
    "a norm over more axes than there are",
    [node("RMSNormalization", ["image", "w"], ["y"], { axis: -2_000_000_000 })],
    { w: ramp(6) },
    "it names axis -2000000000 of a tensor of 4 axes",
  ],
  [
    "attention of more heads than channels",
    [
      node("Reshape", ["image", "n"], ["t"]),
      node("Attention", ["t", "t", "t"], ["a"], { q_num_heads: 1_000_000_000, kv_num_heads: 1 }),
      node("Reshape", ["a", "m"], ["y"]),
    ],
    { n: ints(0, 3, 36), m: ints(0, 3, 6, 6) },
    "its 36 channels do not divide into 1000000000 heads",
  ],
  [
    "a picture copied as often as a batch may have frames",
    [
      node("Slice", ["image", "f", "t", "x"], ["s"]),
      node("Shape", ["s"], ["n"]),
      node("Gather", ["n", "f"], ["b"]),
    ].concat(node("Concat", ["b", "t", "t", "b"], ["d"], { axis: 0 }), node("Expand", ["s", "d"], ["y"])),
    { f: ints(0), t: ints(1), x: ints(3) },
    "does not fit",
  ],
  [
    "one element picked a million times, again and again",
    [
      node("GlobalAveragePool", ["image"], ["p"]),
      node("Slice", ["p", "f", "t", "t"], ["s0"]),
      node("Expand", ["f", "n"], ["i"]),
      ...Array.from({ length: 30 }, (_, k) => [
        node("Gather", [`s${k}`, "i"], [`g${k}`], { axis: 3 }),
        node("Slice", [`g${k}`, "f", "t", "x"], [k === 29 ? "y" : `s${k + 1}`]),
      ]).flat(),
    ],
    { f: ints(0), t: ints(1), x: ints(3), n: ints(1_000_000) },
    MUCH,
  ],
  [
    "one matrix times a number, again and again",
    [
      node("GlobalAveragePool", ["image"], ["p"]),
      node("Flatten", ["p"], ["f"]),
      node("MatMul", ["f", "a"], ["g0"]),
      ...Array.from({ length: 100 }, (_, k) =>
        node("Gemm", [`g${k}`, "m"], [k === 99 ? "g" : `g${k + 1}`], { alpha: 0.5 }),
      ),
      node("Reshape", ["g", "n"], ["y"]),
    ],
    { a: ramp(3, 1000), m: ramp(1000, 1000), n: ints(0, 1000, 1, 1) },
    MUCH,
  ],
  [
    "parts by the thousand",
    [node("Split", ["image"], ["y", ...Array.from({ length: 5000 }, (_, k) => `part ${k}`)], { axis: 1 })],
    {},
    "inputs or outputs",
  ],
];

describe("a small file that asks for much is refused before anything is spent", () => {
  it.each(BOMBS)("%s", (_what, nodes, constants, reason) => {
    expect(refusal(classifier(nodes, constants))).toContain(reason);
  });

  it("constants that double and double", () => {
    const nodes = Array.from({ length: 40 }, (_, k) => node("Concat", [`c${k}`, `c${k}`], [`c${k + 1}`], { axis: 0 }));
    expect(refusal(classifier([...nodes, ...used("c40")], { c0: ramp(2) }))).toContain(MUCH);
  });

  it("constants that are each just small enough", () => {
    const nodes = Array.from({ length: 30 }, (_, k) => [
      node("Expand", ["a", "n"], [`e${k}`]),
      node("ReduceMax", [`e${k}`], [`m${k}`], { keepdims: 0 }),
      node("Mul", [k ? `y${k - 1}` : "image", `m${k}`], [k === 29 ? "y" : `y${k}`]),
    ]).flat();
    expect(refusal(classifier(nodes, { a: one(1), n: ints(2 ** 22) }))).toContain(MUCH);
  });

  it("more classes than anybody names", () => {
    const model = buildModel({
      inputs: [{ name: "image", dims: ["N", 3, 700, 700] }],
      nodes: [node("Flatten", ["image"], ["scores"])],
      outputs: ["scores"],
    });
    expect(refusal(model)).toContain("1470000 classes");
  });

  it("an input of more pixels than pictures have", () => {
    const nodes = [node("GlobalAveragePool", ["image"], ["p"]), node("Flatten", ["p"], ["scores"])];
    const model = buildModel({ inputs: [{ name: "image", dims: [1, 3, 9459, 9459] }], nodes, outputs: ["scores"] });
    expect(refusal(model)).toContain("impossible size");
  });

  it("thousands of layers, one after the other", () => {
    const nodes = Array.from({ length: 12_000 }, (_, k) => ({
      op: "Relu",
      inputs: [k ? `r${k - 1}` : "image"],
      outputs: [k === 11_999 ? "y" : `r${k}`],
      name: `r ${k}`,
    }));
    const model = buildModel({
      inputs: [{ name: "image", dims: ["N", 3, 2, 2] }],
      nodes: [...nodes, node("GlobalAveragePool", ["y"], ["p"]), node("Flatten", ["p"], ["scores"])],
      outputs: ["scores"],
    });
    expect(refusal(model)).toContain("more than 10000 layers");
  });

  it("a shape filled with whole numbers, which take more room", () => {
    const nodes = [node("ConstantOfShape", ["n"], ["s"]), ...used("s")];
    const model = patched(classifier(nodes, { n: ints(100_000_000) }), (m) => {
      m.graph.node[0].attribute = [{ name: "value", type: 4, t: { dims: [1], dataType: 7, int64Data: [1] } }];
    });
    expect(refusal(model)).toContain(MUCH);
  });

  it("long constants turned over and over", () => {
    const nodes = Array.from({ length: 60 }, (_, k) => node("Transpose", [k ? `t${k - 1}` : "r"], [`t${k}`]));
    const dims = [...new Array<number>(44).fill(1), ...new Array<number>(20).fill(2)];
    const model = classifier(
      [node("ConstantOfShape", ["n"], ["c"]), node("Reshape", ["c", "d"], ["r"]), ...nodes, ...used("t59")],
      { n: ints(2 ** 20), d: ints(...dims) },
    );
    expect(refusal(model)).toContain("takes too long");
  });

  it("weights and inputs of more axes than tensors have", () => {
    const long = new Array<number>(5000).fill(1);
    const weights = patched(classifier([node("Mul", ["image", "w"], ["y"])], { w: ramp(1) }), (m) => {
      m.graph.initializer.find((t: Message) => t.name === "w").dims = long;
    });
    expect(refusal(weights)).toContain('tensor "w" has 5000 axes');
    const input = patched(classifier([node("Relu", ["image"], ["y"])]), (m) => {
      m.graph.input[0].type.tensorType.shape.dim = long.map((dimValue) => ({ dimValue }));
    });
    expect(refusal(input)).toContain('input "image" has 5000 axes');
  });

  it("a function with a long name or a large constant inside, called often", () => {
    const calls = Array.from({ length: 400 }, (_, k) =>
      node("F", [k ? `f${k - 1}` : "image"], [k === 399 ? "y" : `f${k}`]),
    );
    const withBody = (body: Message[]): Uint8Array =>
      patched(classifier(calls), (m) => {
        for (const n of m.graph.node) if (n.opType === "F") n.domain = "local";
        m.functions = [{ name: "F", domain: "local", input: ["in"], output: ["out"], node: body }];
      });
    const long = "n".repeat(200_000);
    const names = [
      { opType: "Relu", input: ["in"], output: [long] },
      { opType: "Relu", input: [long], output: ["out"] },
    ];
    expect(refusal(withBody(names))).toContain("too long to be written out");
    const t = { dims: [2 ** 18], dataType: 7, rawData: Buffer.alloc(2 ** 21) };
    const before = process.memoryUsage().arrayBuffers;
    const network = importOnnx(
      withBody([
        { opType: "Constant", output: ["c"], attribute: [{ name: "value", type: 4, t }] },
        { opType: "Relu", input: ["in"], output: ["out"] },
        { opType: "Identity", input: ["c"], output: ["unused"] },
      ]),
    );
    expect(network.layers.length).toBeGreaterThan(400);
    // Once for each call it would be 800 MiB.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 * 2 ** 20);
  });

  it("functions that call each other twice, sixty deep, and one that calls itself", () => {
    const calls = (name: string): Message[] => [
      { opType: name, domain: "local", input: ["in"], output: ["mid"] },
      { opType: name, domain: "local", input: ["mid"], output: ["out"] },
    ];
    const withFunctions = (functions: Message[]): Uint8Array =>
      patched(classifier([node("F0", ["image"], ["y"])]), (m) => {
        m.graph.node[0].domain = "local";
        m.functions = functions;
      });
    const body = (name: string, node: Message[]) => ({ name, domain: "local", input: ["in"], output: ["out"], node });
    const deep = Array.from({ length: 60 }, (_, k) => body(`F${k}`, calls(`F${k + 1}`)));
    expect(refusal(withFunctions(deep))).toContain("nodes or more");
    const itself = [{ opType: "F0", domain: "local", input: ["in"], output: ["out"] }];
    expect(refusal(withFunctions([body("F0", itself)]))).toContain("more than 64 deep");
  });
});

describe("long and tangled networks that are small are explained", () => {
  const compiled = (model: Uint8Array): number => {
    const network = canonicalise(importOnnx(model));
    return tensorProgram(network, DEFAULT_METHOD, { low: [0], high: [1], channelAxis: 1 }).operations.length;
  };

  it("thousands of activations before the first weights, and between the factors of a product", () => {
    const nodes = Array.from({ length: 4000 }, (_, k) => ({
      op: "Relu",
      name: `r ${k}`,
      inputs: [k ? `r${k - 1}` : "image"],
      outputs: [`r${k}`],
    }));
    expect(compiled(classifier([...nodes, node("Add", ["r3999", "image"], ["y"])]))).toBeGreaterThan(4000);
    const product = [node("Add", ["r3999", "image"], ["a"]), node("Mul", ["a", "image"], ["y"])];
    expect(compiled(classifier([...nodes, ...product]))).toBeGreaterThan(4000);
  });

  it("a gate that was joined with itself and cut in half forty times", () => {
    const nodes = Array.from({ length: 40 }, (_, k) => [
      node("Concat", [`g${k}`, `g${k}`], [`j${k}`], { axis: 1 }),
      node("Slice", [`j${k}`, "from", "to", "axis"], [`g${k + 1}`]),
    ]).flat();
    const gate = [node("Sigmoid", ["image"], ["g0"]), ...nodes, node("Mul", ["image", "g40"], ["y"])];
    expect(compiled(classifier(gate, { from: ints(0), to: ints(3), axis: ints(1) }))).toBeGreaterThan(0);
  });
});

describe("weights beside the file", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "limits-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const beside = (dims: number[], entries: Record<string, string>): string => {
    const file = join(folder, "model.onnx");
    const model = patched(classifier([node("Mul", ["image", "w"], ["y"])], { w: ramp(3, 1, 1) }), (m) => {
      const at = m.graph.initializer.findIndex((t: { name: string }) => t.name === "w");
      const externalData = Object.entries({ location: "weights.bin", ...entries }).map(([key, value]) => ({
        key,
        value,
      }));
      m.graph.initializer[at] = { name: "w", dims, dataType: 1, dataLocation: 1, externalData };
    });
    writeFileSync(file, model);
    return file;
  };

  it("are not read where the file is nothing but a hole", () => {
    const hole = openSync(join(folder, "weights.bin"), "w");
    ftruncateSync(hole, 4 * 2 ** 31);
    closeSync(hole);
    expect(() => loadModel(beside([2 ** 31], {}))).toThrow(/mostly holes/);
    expect(() => loadModel(beside([2 ** 31, 4], {}))).toThrow(/weights of up to/);
    expect(() => loadModel(beside([3, 1, 1], { length: String(2 ** 33) }))).toThrow(/holds 2147483648 numbers/);
    expect(() => loadModel(beside([3, 1, 1], {}))).toThrow(/holds more numbers/);
  });
});

// Large: FUZZ_RUNS=20000 FUZZ_SEED=7 npx vitest run test/explain/onnx/limits.test.ts -t wild
const RUNS = Number(process.env.FUZZ_RUNS ?? 200);
const SEED = Number(process.env.FUZZ_SEED ?? 1);

describe("wild files of constants", () => {
  const wild = fc.constantFrom(0, 1, 2, 3, 5, -1, -7, 1000, 70_000, 2 ** 20, 2 ** 31, 2 ** 40, -(2 ** 31), 1_000_003);
  const few = fc.array(wild, { minLength: 0, maxLength: 4 });
  const constant = fc.oneof(
    few.map((data): InitializerInput => ({ dims: [data.length], data, type: "int64" })),
    fc.constantFrom(ramp(3, 1, 1), ramp(2, 3), ramp(1, 3, 2, 2), one(0.5), one(-1e30), ramp(40_000), ramp(1, 40_000)),
  );
  const OPS =
    "Add Clip Compress Concat ConstantOfShape Conv ConvTranspose CumSum DepthToSpace Div Einsum Expand EyeLike Flatten Gather GatherElements GatherND Gemm MatMul MaxPool Mod NonZero OneHot Pad Range ReduceMean ReduceSum Reshape Resize ScatterND Slice SpaceToDepth Split Squeeze Tile TopK Transpose Trilu Unique Unsqueeze Where".split(
      " ",
    );
  const attributes = fc.dictionary(
    fc.constantFrom(
      "axis",
      "axes",
      "perm",
      "pads",
      "strides",
      "kernel_shape",
      "group",
      "blocksize",
      "to",
      "keepdims",
      "dilations",
      "num_outputs",
    ),
    fc.oneof(wild, few),
    { maxKeys: 3 },
  );
  const chain = fc.array(
    fc.record({ op: fc.constantFrom(...OPS), inputs: fc.array(fc.nat(9), { minLength: 1, maxLength: 5 }), attributes }),
    {
      minLength: 1,
      maxLength: 6,
    },
  );

  it(
    "are explained or refused in one sentence, whatever they ask for",
    () => {
      fc.assert(
        fc.property(chain, fc.array(constant, { minLength: 1, maxLength: 4 }), (steps, constants) => {
          const names = ["image", ...constants.map((_, k) => `c${k}`)];
          const nodes = steps.map(({ op, inputs, attributes }, k) => {
            const made = node(
              op,
              inputs.map((at) => names[at % names.length]!),
              [`n${k}`],
              attributes,
            );
            names.push(`n${k}`);
            return made;
          });
          const last = `n${steps.length - 1}`;
          const model = classifier(
            [...nodes, node("ReduceMax", [last], ["k"], { keepdims: 0 }), node("Mul", ["image", "k"], ["y"])],
            Object.fromEntries(constants.map((c, k) => [`c${k}`, c])),
          );
          try {
            canonicalise(importOnnx(model));
          } catch (error) {
            if (!(error instanceof InputError)) throw error;
            expect(error.message).toMatch(/^[^\n]+[^.]$/);
            expect(error.message).not.toContain("1000003");
          }
        }),
        { numRuns: RUNS, seed: SEED },
      );
    },
    Math.max(60_000, 50 * RUNS),
  );
});
