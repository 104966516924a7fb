import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { readWeights } from "../../../src/explain/tfjs/weights.js";
import { noise } from "../random/writer.js";

type Spec = tf.io.WeightsManifestEntry;
const random = noise(4);
const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => Math.floor(128 * (random() + 1)));
/** Halves of any size, subnormal ones among them. */
const halves = (count: number): Uint8Array => {
  const bits = Uint16Array.from({ length: count }, (_, k) => [0, 0x8001, 0x3c00, 0x7bff, 0x0400, 0xb266][k % 6]!);
  return new Uint8Array(bits.buffer);
};

const CASES: [string, Spec, Uint8Array][] = [
  [
    "uint8",
    { name: "w", shape: [2, 3], dtype: "float32", quantization: { dtype: "uint8", min: -0.7, scale: 0.01 } },
    bytes(6),
  ],
  [
    "uint16",
    { name: "w", shape: [4], dtype: "float32", quantization: { dtype: "uint16", min: -3, scale: 1e-4 } },
    bytes(8),
  ],
  [
    "uint8 of whole numbers",
    { name: "w", shape: [3], dtype: "int32", quantization: { dtype: "uint8", min: -5, scale: 1.5 } },
    bytes(3),
  ],
  [
    "float16",
    {
      name: "w",
      shape: [2, 3],
      dtype: "float32",
      quantization: { dtype: "float16", original_dtype: "float32" },
    } as Spec,
    halves(6),
  ],
];

describe("quantised weights are what TensorFlow.js makes of them", () => {
  it.each(CASES)("as %s", async (_name, spec, data) => {
    const theirs = tf.io.decodeWeights(new Uint8Array(data).buffer, [spec]).w!;
    const ours = readWeights([{ paths: ["a"], weights: [spec as never] }], () => data).get("w")!;
    expect(ours.dims).toEqual(theirs.shape);
    expect(Array.from(ours.data)).toEqual(Array.from(theirs.dataSync()));
  });

  it("also several of them in shards that begin in the middle of one", () => {
    const specs = CASES.map(([, spec], k) => ({ ...spec, name: `w${k}` }));
    const whole = Buffer.concat(CASES.map(([, , data]) => data));
    const theirs = tf.io.decodeWeights(new Uint8Array(whole).buffer, specs);
    const shards: Record<string, Uint8Array> = { a: whole.subarray(0, 9), b: whole.subarray(9) };
    const ours = readWeights([{ paths: ["a", "b"], weights: specs as never }], (name) => shards[name]!);
    for (const { name } of specs)
      expect(Array.from(ours.get(name)!.data)).toEqual(Array.from(theirs[name]!.dataSync()));
  });
});

it.each(["int8", "uint4"])("a quantisation to %s is refused by name", (dtype) => {
  const spec = { name: "w", shape: [2], dtype: "float32", quantization: { dtype, min: 0, scale: 1 } };
  expect(() => readWeights([{ paths: ["a"], weights: [spec] }], () => new Uint8Array(8))).toThrow(
    `weight "w" has element type ${dtype}, which is not supported; convert the model in float32`,
  );
});

describe("weights files that are not as the manifest says are refused by name", () => {
  const names = [1, 2, 3].map((k) => `group1-shard${k}of3.bin`);
  const weights = [{ name: "w", shape: [7], dtype: "float32" }];
  const read = (paths: string[], lengths: number[]) =>
    readWeights([{ paths, weights }], (name) => new Uint8Array(lengths[paths.indexOf(name)]!));

  it("but are read where all is in order, and where only their sum can be right", () => {
    expect(read(names, [12, 12, 4]).get("w")!.data).toHaveLength(7);
    expect(read(["a", "b"], [8, 20]).get("w")!.data).toHaveLength(7);
  });

  it.each([
    [
      "named in another order",
      [names[1]!, names[0]!, names[2]!],
      [12, 12, 4],
      /"group1-shard2of3\.bin" as number 1 of 3/,
    ],
    ["one left out", [names[0]!, names[2]!], [12, 16], /"group1-shard1of3\.bin" as number 1 of 2/],
    [
      "the shortest not last",
      names,
      [12, 4, 12],
      /"group1-shard2of3\.bin" holds 4 bytes and "group1-shard1of3\.bin" 12/,
    ],
    ["the last the longest", names, [4, 4, 20], /"group1-shard3of3\.bin" holds 20 bytes/],
    ["too long", names, [12, 12, 8], /group1-shard1of3\.bin, .* are 4 bytes longer than model\.json says/],
    ["too short", names, [12, 12, 2], /end before weight "w"/],
  ])("%s", (_what, paths, lengths, words) => {
    expect(() => read(paths, lengths)).toThrow(words);
  });
});

it.each([Number.NaN, Number.POSITIVE_INFINITY])("a weight of %d is refused by name", (value) => {
  const spec = { name: "conv/kernel", shape: [2], dtype: "float32" };
  const data = new Uint8Array(Float32Array.of(1, value).buffer);
  expect(() => readWeights([{ paths: ["a"], weights: [spec] }], () => data)).toThrow(
    `weight "conv/kernel" holds ${value} at position 1`,
  );
});
