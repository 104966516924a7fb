import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../../../src/errors.js";
import { loadModel } from "../../../src/explain/model/load.js";
import { importTflite } from "../../../src/explain/tflite/import.js";
import { GOLDEN } from "../twin/golden.js";
import { flatbuffer, floats, liteFile, type OperatorSpec, type TensorSpec, wholes } from "./writer.js";

// Large: FUZZ_RUNS=20000 FUZZ_SEED=7 npx vitest run test/explain/tflite/damaged.test.ts
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const runs = (usual: number): number => Number(process.env.FUZZ_RUNS ?? usual);

const FOLDER = fileURLToPath(new URL("../../fixtures/tflite/", import.meta.url));
const FILES = [
  join(GOLDEN, "keras-mobile", "int8.tflite"),
  join(GOLDEN, "keras-mobile", "float16.tflite"),
  join(GOLDEN, "keras-rescaling", "described.tflite"),
  join(FOLDER, "attention.tflite"),
  join(FOLDER, "moves.tflite"),
].map((file) => readFileSync(file));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "damaged-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The model is read, or refused in one sentence. */
function expectSentence(bytes: Uint8Array): void {
  const file = join(folder, "model.tflite");
  writeFileSync(file, bytes);
  try {
    loadModel(file);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    expect(error.message).toMatch(/^[^\n]+[^.]$/);
  }
}

const MEAN = 40;
const SOFTMAX = 25;
const RELU = 19;
const ADD = 0;
const CONV_2D = 3;
const axes = { name: "axes", dims: [2], type: 2, data: wholes(1, 2) };
const picture = { name: "picture", dims: [1, 2, 2, 3] };
/** A picture, what is done to it, and the mean of the result as scores. */
function head(tensors: readonly TensorSpec[], operators: readonly OperatorSpec[], last = 1): Uint8Array {
  const count = tensors.length;
  return liteFile({
    tensors: [picture, ...tensors, axes, { name: "scores", dims: [1, 3] }],
    operators: [...operators, { code: MEAN, inputs: [last, count + 1], outputs: [count + 2] }],
  });
}

describe("damaged TensorFlow Lite files are refused in one sentence", () => {
  it("with bytes changed", () => {
    const changes = fc.array(fc.record({ at: fc.nat(), value: fc.nat(255) }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(...FILES), changes, (file, list) => {
        const bytes = new Uint8Array(file);
        for (const { at, value } of list) bytes[8 + (at % (bytes.length - 8))] = value;
        expectSentence(bytes);
      }),
      { numRuns: runs(250), seed: SEED },
    );
  });

  it("with a place or length made impossible", () => {
    const values = fc.constantFrom(0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff0, 2 ** 24);
    fc.assert(
      fc.property(fc.constantFrom(...FILES), fc.nat(), values, (file, at, value) => {
        const bytes = new Uint8Array(file);
        new DataView(bytes.buffer).setUint32(4 * (at % Math.floor(bytes.length / 4)), value, true);
        bytes.set(Buffer.from("TFL3"), 4);
        expectSentence(bytes);
      }),
      { numRuns: runs(250), seed: SEED },
    );
  });

  it("cut off anywhere", () => {
    fc.assert(
      fc.property(fc.constantFrom(...FILES), fc.nat(), (file, at) => {
        expectSentence(file.subarray(0, 8 + (at % (file.length - 8))));
      }),
      { numRuns: runs(60), seed: SEED },
    );
  });
});

describe("hostile TensorFlow Lite files take nothing before they are refused", () => {
  it("whose operators read each other", () => {
    const loop = [
      { code: ADD, inputs: [0, 2], outputs: [1] },
      { code: RELU, inputs: [1], outputs: [2] },
    ];
    expect(() => importTflite(head([picture, picture], loop, 2))).toThrow(
      /node "picture" \(operator ADD\) cannot be explained: it reads "picture", which no earlier operator makes/,
    );
  });

  it("whose many tensors share a few bytes", () => {
    const data = new Uint8Array(2 ** 18);
    const many = Array.from({ length: 70 }, () => ({ dims: [2 ** 16], data }));
    const sums = many.map((_, k) => ({ code: ADD, inputs: [0, 1 + k], outputs: [1 + many.length] }));
    expect(() => importTflite(head([...many, picture], sums, 1 + many.length))).toThrow(
      /stands for more numbers than the file has bytes for/,
    );
  });

  it("whose constant claims dims that its bytes do not fill", () => {
    const weight = { name: "w", dims: [2 ** 20], data: floats(1, 2) };
    expect(() => importTflite(head([weight, picture], [{ code: ADD, inputs: [0, 1], outputs: [2] }], 2))).toThrow(
      /tensor "w" holds 2 numbers where its dims \[1048576\] need 1048576/,
    );
  });

  it("whose scales do not fit their tensor", () => {
    const weight = { name: "w", dims: [3], type: 9, data: new Uint8Array(3), scales: [1, 2], axis: 0 };
    expect(() => importTflite(head([weight, picture], [{ code: ADD, inputs: [0, 1], outputs: [2] }], 2))).toThrow(
      /tensor "w" of dims \[3\] has 2 scales and 0 zero points along its axis 0/,
    );
  });

  it("with more operators than any classifier has", () => {
    const file = flatbuffer({ 2: { tables: [{ 3: { bytes: new Uint8Array(20_001) } }] } });
    expect(() => importTflite(file)).toThrow(/the model has 20001 operators, and up to 20000 are read/);
  });

  it("with weights that are not finite", () => {
    const weight = { name: "w", dims: [3], data: floats(1, Number.POSITIVE_INFINITY, 2) };
    expect(() => importTflite(head([weight, picture], [{ code: ADD, inputs: [0, 1], outputs: [2] }], 2))).toThrow(
      /weight "w" holds Infinity at position 1, and no score would be a number/,
    );
  });
});

describe("what cannot be explained is refused by its name, with what would be needed", () => {
  it.each([
    ["edgetpu-custom-op", /compiled for the Edge TPU.*without _edgetpu in its name/],
    ["TFLite_Detection_PostProcess", /objects of a detector.*give the file of a classifier/],
    ["FlexErf", /one of TensorFlow's own \(select ops\)/],
    ["MyOwn", /none of TensorFlow Lite's own operators/],
    [118, /operator IF.*stands in another graph/],
    [119, /operator WHILE.*stands in another graph/],
    [16, /operator LSTM.*keeps a state between steps/],
    [124, /operator DENSIFY.*sparse weights/],
    [66, /operator SIN.*no rule says how relevance crosses it/],
    [250, /operator number 250/],
  ])("%s", (code, reason) => {
    expect(() => importTflite(head([picture], [{ code, inputs: [0], outputs: [1] }]))).toThrow(reason);
  });

  it("a cast of whole numbers that stand for others", () => {
    const CAST = 53;
    const whole = { ...picture, type: 9, scales: [0.5], zeroPoints: [3] };
    const file = liteFile({
      tensors: [whole, picture, axes, { dims: [1, 3] }],
      operators: [
        { code: CAST, inputs: [0], outputs: [1] },
        { code: MEAN, inputs: [1, 2], outputs: [3] },
      ],
    });
    expect(() => importTflite(file)).toThrow(/operator CAST.*takes whole numbers as they are/);
  });

  it("a second input", () => {
    const file = liteFile({
      tensors: [picture, { ...picture, name: "other" }, picture],
      operators: [{ code: ADD, inputs: [0, 1], outputs: [2] }],
      inputs: [0, 1],
    });
    expect(() => importTflite(file)).toThrow(/the model has 2 inputs \(picture, other\)/);
  });

  it("an input of another type", () => {
    const file = liteFile({
      tensors: [{ ...picture, type: 2 }, { dims: [1, 3] }],
      operators: [{ code: SOFTMAX, inputs: [0], outputs: [1] }],
    });
    expect(() => importTflite(file)).toThrow(/input "picture" is int32, and float32, uint8 or int8 is needed/);
  });

  it("a kernel that does not fit its input", () => {
    const kernel = { dims: [1, 1, 1, 2], data: floats(1, 2) };
    const conv = { code: CONV_2D, inputs: [0, 1], outputs: [2], options: { 1: { int32: 1 }, 2: { int32: 1 } } };
    expect(() => importTflite(head([kernel, picture], [conv], 2))).toThrow(
      /its kernel \[1, 1, 1, 2\] does not fit an input of 3 channels/,
    );
  });
});
