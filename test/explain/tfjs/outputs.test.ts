import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { classesOf } from "../../../src/explain/network/network.js";
import { importTfjs } from "../../../src/explain/tfjs/import.js";
import { saved } from "./saved.js";

beforeAll(() => tf.setBackend("cpu"));

/** A face network in small: one trunk, three heads by name and size. */
async function face(): Promise<{ json: string; shard: Uint8Array }> {
  const image = tf.input({ shape: [6, 6, 3], name: "image" });
  const trunk = tf.layers.globalAveragePooling2d({ name: "trunk" }).apply(image) as tf.SymbolicTensor;
  const head = (name: string, units: number, activation: "linear" | "sigmoid" = "linear") =>
    tf.layers.dense({ units, name, activation }).apply(trunk) as tf.SymbolicTensor;
  const model = tf.model({ inputs: image, outputs: [head("age", 1), head("gender", 2), head("race", 7)] });
  return saved(model);
}

describe("a TensorFlow.js model of several outputs is read as an ONNX file of several is", () => {
  it("the first without a word of the user, with a sentence that says so", async () => {
    const { json, shard } = await face();
    const notes: string[] = [];
    const network = importTfjs(json, () => shard, { note: (sentence) => notes.push(sentence) });
    expect(classesOf(network)).toBe(1);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain(
      '3 outputs (age [N, 1], gender [N, 2], race [N, 7]): "age", the first that can hold the scores, is explained',
    );
  });

  it("by the name of its layer", async () => {
    const { json, shard } = await face();
    expect(classesOf(importTfjs(json, () => shard, { output: "race" }))).toBe(7);
    expect(() => importTfjs(json, () => shard, { output: "mood" })).toThrow(
      'the model has no output "mood"; it has age, gender, race',
    );
  });

  it("though a layer of another head cannot be explained", async () => {
    const { json, shard } = await face();
    const odd = JSON.parse(json);
    const layers = odd.modelTopology.config?.layers ?? odd.modelTopology.model_config.config.layers;
    layers.find((l: { config: { name: string } }) => l.config.name === "age").class_name = "LSTM";
    expect(classesOf(importTfjs(JSON.stringify(odd), () => shard, { output: "gender" }))).toBe(2);
    expect(() => importTfjs(JSON.stringify(odd), () => shard, { output: "age" })).toThrow(/"age" \(operator LSTM\)/);
    expect(() => importTfjs(JSON.stringify(odd), () => shard)).toThrow(
      /"age" \(operator LSTM\).*; so it is with its output "age", others are gender, race: name one as "output" in its card$/,
    );
  });
});

it("the outputs of a graph model go by their names in its signature, or those of their operations", () => {
  const kernel = { name: "k", shape: [3, 4], dtype: "float32" };
  const attr = (value: number[]) => ({ shape: { shape: { dim: value.map((size) => ({ size })) } } });
  const nodes = [
    { name: "image", op: "Placeholder", attr: attr([-1, 6, 6, 3]) },
    { name: "axes", op: "Const" },
    { name: "pooled", op: "Mean", input: ["image", "axes"], attr: { keep_dims: { b: false } } },
    { name: "k", op: "Const" },
    { name: "fc", op: "MatMul", input: ["pooled", "k"] },
    { name: "soft", op: "Softmax", input: ["fc"] },
  ];
  const signature = { outputs: { embedding: { name: "pooled:0" }, score: { name: "soft:0" } } };
  const weights = [kernel, { name: "axes", shape: [2], dtype: "int32" }];
  const json = JSON.stringify({
    modelTopology: { node: nodes },
    signature,
    weightsManifest: [{ paths: ["w"], weights }],
  });
  const bytes = new Uint8Array(14 * 4);
  new Float32Array(bytes.buffer, 0, 12).fill(0.5);
  new Int32Array(bytes.buffer, 48).set([1, 2]);
  const notes: string[] = [];
  expect(classesOf(importTfjs(json, () => bytes, { note: (sentence) => notes.push(sentence) }))).toBe(4);
  expect(notes[0]).toContain('2 outputs (embedding [N, 3], score [N, 4]): "score", the last of those');
  for (const output of ["embedding", "pooled"]) expect(classesOf(importTfjs(json, () => bytes, { output }))).toBe(3);
});
