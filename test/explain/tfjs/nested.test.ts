import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { importTfjs } from "../../../src/explain/tfjs/import.js";
import { noise } from "../random/writer.js";
import { explainFrames } from "../run.js";
import { relativeError } from "../twin/golden.js";
import { saved } from "./saved.js";

beforeAll(() => tf.setBackend("cpu"));

const L = tf.layers;
const SIZE = 8;
type Chain = tf.SymbolicTensor;

function withRandomWeights(model: tf.LayersModel, seed: number): tf.LayersModel {
  const random = noise(seed);
  const names = model.weights.map((w) => w.originalName);
  model.setWeights(
    model.getWeights().map((w, k) => {
      const positive = names[k]!.includes("variance");
      const data = Float32Array.from({ length: w.size }, () => (positive ? 0.5 + Math.abs(random()) : 0.6 * random()));
      return tf.tensor(data, w.shape);
    }),
  );
  return model;
}

const pictures = (): Float64Array[] => {
  const random = noise(5);
  return [0, 1].map(() => Float64Array.from({ length: SIZE * SIZE * 3 }, () => Math.fround(random())));
};

/** The importer's logits, and TensorFlow.js' own probabilities; maps too. */
async function both(model: tf.LayersModel) {
  const { json, shard } = await saved(model);
  const network = canonicalise(importTfjs(json, () => shard));
  const frames = pictures();
  const options = { low: [-1], high: [1], channelAxis: 3 };
  const explained = await explainFrames(network, frames, [1, SIZE, SIZE, 3], options);
  const input = tf.tensor(Float32Array.from(frames.flatMap((f) => [...f])), [2, SIZE, SIZE, 3]);
  const expected = (model.predict(input) as tf.Tensor).dataSync();
  const size = expected.length / 2;
  return explained.map((own, n) => ({ own, expected: expected.slice(n * size, (n + 1) * size) }));
}

async function expectSame(model: tf.LayersModel): Promise<void> {
  for (const { own, expected } of await both(model)) {
    expect(relativeError(own.probabilities, expected)).toBeLessThan(2e-5);
    expect(own.relevance.some((r) => r !== 0)).toBe(true);
  }
}

/** A small network of the kind that MobileNet is. */
function features(): tf.LayersModel {
  const input = tf.input({ shape: [SIZE, SIZE, 3], name: "picture" });
  const stem = L.conv2d({ filters: 4, kernelSize: 3, strides: 2, padding: "same", useBias: false, name: "Conv1" });
  let x = stem.apply(input) as Chain;
  x = L.batchNormalization({ name: "bn_Conv1" }).apply(x) as Chain;
  x = L.reLU({ maxValue: 6, name: "Conv1_relu" }).apply(x) as Chain;
  x = L.depthwiseConv2d({ kernelSize: 3, padding: "same", name: "depthwise" }).apply(x) as Chain;
  return tf.model({
    inputs: input,
    outputs: L.conv2d({ filters: 6, kernelSize: 1, name: "project" }).apply(x) as Chain,
  });
}

const head = (classes: number): tf.Sequential =>
  tf.sequential({
    layers: [
      L.dense({ units: 5, activation: "relu", inputShape: [6], name: "dense_Dense1" }),
      L.dense({ units: classes, activation: "softmax", useBias: false, name: "dense_Dense2" }),
    ],
  });

describe("models within models of TensorFlow.js give the scores that it gives itself", () => {
  it("as Teachable Machine exports them: features and head, each a sequence, in a sequence", async () => {
    const body = tf.sequential({ layers: [features(), L.globalAveragePooling2d({})] });
    await expectSame(withRandomWeights(tf.sequential({ layers: [body, head(3)] }), 1));
  });

  it("four deep", async () => {
    const pooled = tf.sequential({ layers: [features(), L.globalAveragePooling2d({})] });
    const deep = tf.sequential({ layers: [tf.sequential({ layers: [pooled] }), head(3)] });
    await expectSame(withRandomWeights(tf.sequential({ layers: [deep] }), 2));
  });

  it("with one model that two places call, which has the same weights in both", async () => {
    const shared = tf.sequential({
      layers: [
        L.conv2d({ filters: 3, kernelSize: 3, padding: "same", inputShape: [SIZE, SIZE, 3], activation: "relu" }),
      ],
    });
    const input = tf.input({ shape: [SIZE, SIZE, 3] });
    const once = shared.apply(input) as Chain;
    const twice = shared.apply(once) as Chain;
    const sum = L.add().apply([once, twice]) as Chain;
    const pooled = L.globalAveragePooling2d({}).apply(sum) as Chain;
    const scores = L.dense({ units: 3, activation: "softmax" }).apply(pooled) as Chain;
    await expectSame(withRandomWeights(tf.model({ inputs: input, outputs: scores }), 3));
  });

  it("with a model of two inputs and two outputs between", async () => {
    const [a, b] = [tf.input({ shape: [SIZE, SIZE, 3] }), tf.input({ shape: [SIZE, SIZE, 3] })];
    const mixed = L.conv2d({ filters: 4, kernelSize: 1 }).apply(L.add().apply([a, b])) as Chain;
    const other = L.conv2d({ filters: 4, kernelSize: 3, padding: "same" }).apply(b) as Chain;
    const inner = tf.model({ inputs: [a, b], outputs: [mixed, other] });
    const input = tf.input({ shape: [SIZE, SIZE, 3] });
    const bent = L.conv2d({ filters: 3, kernelSize: 3, padding: "same", activation: "relu" }).apply(input) as Chain;
    const [left, right] = inner.apply([input, bent]) as Chain[];
    const joined = L.concatenate().apply([right!, left!]) as Chain;
    const pooled = L.globalAveragePooling2d({}).apply(joined) as Chain;
    const scores = L.dense({ units: 3, activation: "softmax" }).apply(pooled) as Chain;
    await expectSame(withRandomWeights(tf.model({ inputs: input, outputs: scores }), 4));
  });
});

it("of models within models whose layers are named alike, each has its own weights", () => {
  const conv = (name: string, inputs?: number[]) => ({
    class_name: "Conv2D",
    config: { name, filters: 1, kernel_size: [1, 1], use_bias: false, ...(inputs && { batch_input_shape: inputs }) },
  });
  const inside = (name: string, inputs?: number[]) => ({
    class_name: "Sequential",
    config: { name, layers: [conv("conv", inputs)] },
  });
  const layers = [inside("a", [-1, 2, 2, 1]), inside("b"), { class_name: "Flatten", config: { name: "flat" } }];
  const weights = ["conv/kernel", "a/conv/kernel", "b/conv/kernel"].map((name) => ({
    name,
    shape: [1, 1, 1, 1],
    dtype: "float32",
  }));
  const json = JSON.stringify({
    modelTopology: { model_config: { class_name: "Sequential", config: { name: "whole", layers } } },
    weightsManifest: [{ paths: ["w.bin"], weights }],
  });
  const shard = new Uint8Array(Float32Array.of(7, 2, 3).buffer);
  const network = importTfjs(json, () => shard);
  const used = network.layers.flatMap((l) => (l.kind === "conv" ? [...l.weight.data] : []));
  expect(used).toEqual([2, 3]);
});
