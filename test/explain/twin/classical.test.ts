import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CLASSICAL_NAMES } from "../../../src/explain/method-names.js";
import { BLOCKS } from "../random/blocks.js";
import { buildNetwork, type NetworkChoice, type RandomNetwork } from "../random/network.js";
import { swings } from "../random/stability.js";
import { noise } from "../random/writer.js";
import { explainFrames } from "../run.js";
import {
  CLASSICAL_METHODS,
  type ClassicalMethod,
  type ClassicalTwinOptions,
  classicalTwin,
  roundingOf,
} from "./classical.js";
import { goldenCase, goldenNames, relativeError } from "./golden.js";
import { readNpy } from "./npy.js";
import { readOnnx } from "./onnx-reader.js";
import { type AttributeInput, buildModel, type NodeInput } from "./onnx-writer.js";

/** Relative to the frame's largest |R|. */
const TOLERANCE = 1e-4;
/**
 * Blocks of transformers, in which signed sums are divided by one behind the other. Where they nearly cancel, the errors of float32 are
 * multiplied: engines differ among themselves as they differ from the twin.
 */
const DEEP = /attention|mixer|^vit|^swin/;
const DEEP_TOLERANCE = 5e-3;

it("every classical method has a twin", () => {
  expect([...CLASSICAL_METHODS].sort()).toEqual([...CLASSICAL_NAMES].sort());
});

/*
 * a = (1, −2), W = (1, 2; 1, −1.5), b = (1, 0): the contributions are (1, −2) and (2, 3), z = (0, 5). Target 1, whose R is 1.
 */
describe("a dense layer of two neurons, by hand", () => {
  const model = buildModel({
    inputs: [{ name: "image", dims: ["N", 2] }],
    nodes: [{ op: "Gemm", inputs: ["image", "W", "B"], outputs: ["scores"] }],
    initializers: { W: { dims: [2, 2], data: [1, 2, 1, -1.5] }, B: { dims: [2], data: [1, 0] } },
    outputs: ["scores"],
  });
  const explain = (method: ClassicalMethod, target: number) =>
    classicalTwin(model, [1, -2], [1, 2], { method, target, low: [-3], high: [3] }).relevance;

  it.each<[ClassicalMethod, number, number[]]>([
    ["lrp-0", 1, [2 / 5, 3 / 5]],
    // z = 0 passes nothing in lrp-0 and gamma, and all there is over ε in epsilon.
    ["lrp-0", 0, [0, 0]],
    ["gamma", 0, [0, 0]],
    ["epsilon", 0, [1e6, -2e6]],
    ["gamma", 1, [2 / 5, 3 / 5]],
    // 1 and the bias of 1 are positive, −2 negative.
    ["z-plus", 0, [1 / 2, 0]],
    ["alpha2-beta1", 0, [2 * (1 / 2), -1]],
    ["flat", 0, [1 / 2, 1 / 2]],
    // w² = (1, 1), b² = 1.
    ["w-square", 0, [1 / 3, 1 / 3]],
    ["w-square", 1, [4 / 6.25, 2.25 / 6.25]],
    ["epsilon-plus-flat", 1, [1 / 2, 1 / 2]],
    // The box rule is a convolution's: this is epsilon.
    ["epsilon-gamma-box", 1, [2 / 5, 3 / 5]],
  ])("by %s for class %i", (method, target, expected) => {
    const actual = explain(method, target);
    const scale = Math.max(1, ...expected.map(Math.abs));
    expected.forEach((v, i) => {
      expect(actual[i]! / scale).toBeCloseTo(v / scale, 5);
    });
  });
});

describe("the twin agrees with zennit's maps", () => {
  const known = goldenNames().filter((name) => existsSync(join(goldenCase(name).folder, "epsilon.npy")));
  // zennit leaves the ε of a folded norm behind: 5e-6 of what passes batch-norm-after-dense, 5e-3 in the other.
  it.each(known.filter((name) => name !== "batch-norm-after-conv"))("%s", (name) => {
    const golden = goldenCase(name);
    const model = readOnnx(golden.model);
    // Its lrp-0 divides 0 by 0.
    for (const method of CLASSICAL_METHODS.filter((m) => m !== "lrp-0")) {
      const { data } = readNpy(join(golden.folder, `${method}.npy`));
      golden.frames.forEach((frame, n) => {
        const { relevance } = classicalTwin(model, frame, golden.shape, { low: golden.low, high: golden.high, method });
        const theirs = Array.from(data.subarray(n * frame.length, (n + 1) * frame.length), Number);
        const tolerance = name === "batch-norm-after-dense" ? 1e-5 : 1e-6;
        expect(relativeError(relevance, theirs), `${method} frame ${n}`).toBeLessThan(tolerance);
      });
    }
  });
});

describe("onnxruntime agrees with the twin on the golden case", () => {
  // The twin is slow: of each case one frame and a third of the methods, now these, now those; TWIN_ALL=1 takes them all.
  const all = process.env.TWIN_ALL === "1";
  it.each(goldenNames().map((name, k) => [name, k] as const))("%s", async (name, k) => {
    const golden = goldenCase(name);
    const model = readOnnx(golden.model);
    const frames = all ? golden.frames : [golden.frames[k % golden.frames.length]!];
    for (const method of CLASSICAL_METHODS.filter((_, m) => all || m % 3 === k % 3)) {
      const options = { low: golden.low, high: golden.high, method };
      const explained = await explainFrames(golden.model, frames, golden.shape, options, "onnxruntime");
      frames.forEach((frame, n) => {
        const expected = classicalTwin(model, frame, golden.shape, options);
        const error = relativeError(explained[n]!.relevance, expected.relevance);
        const tolerance = DEEP.test(name) ? DEEP_TOLERANCE : TOLERANCE;
        expect(error, `${method} frame ${n}`).toBeLessThan(Math.max(tolerance, roundingOf(expected)));
      });
    }
  });
});

/** Rules and composites that together hold every rule; the others are the same ones elsewhere. */
const RULES: ClassicalMethod[] = [
  "lrp-0",
  "z-plus",
  "flat",
  "w-square",
  "epsilon-gamma-box",
  "epsilon-alpha2-beta1-flat",
];

async function expectAgreement(network: RandomNetwork, methods = RULES): Promise<void> {
  const { shape, frames, low, high, channelAxis } = network;
  const model = readOnnx(network.model);
  for (const method of methods) {
    const options: ClassicalTwinOptions = { low, high, channelAxis, method };
    const explained = await explainFrames(network.model, frames, shape, options, "onnxruntime");
    frames.forEach((frame, n) => {
      const expected = classicalTwin(model, frame, shape, options);
      const { logits } = expected;
      // Two classes of which rounding decides the first.
      if (logits[explained[n]!.target]! > logits[expected.target]! - 1e-6 && explained[n]!.target !== expected.target)
        return;
      const error = relativeError(explained[n]!.relevance, expected.relevance);
      if (error < Math.max(TOLERANCE, roundingOf(expected)) || expected.fragile) return;
      const target = expected.target;
      const unstable = swings(
        network,
        expected.relevance,
        TOLERANCE / 5,
        (nudged, rounding) => classicalTwin(nudged, frame, shape, { ...options, target, rounding }).relevance,
      );
      if (!unstable) throw new Error(`${method}, frame ${n}: ${error}`);
    });
  }
}

describe("onnxruntime agrees with the twin where the picture is read, and behind a convolution, by", () => {
  const choice = (kinds: string[], coarse: boolean, numbers: () => number[]): NetworkChoice => ({
    channels: 4,
    height: 6,
    width: 7,
    channelsLast: false,
    coarse,
    fixedBatch: false,
    classes: 3,
    seed: 17,
    before: [],
    blocks: kinds.map((kind) => ({ kind, back: 0, n: numbers() })),
    head: { kind: "average", back: 0, n: numbers() },
    end: "none",
  });
  it.each(Object.keys(BLOCKS).map((kind, k) => [kind, k] as const))("%s", async (kind, k) => {
    const random = noise(k);
    const numbers = () => Array.from({ length: 11 }, () => Math.floor(60 * Math.abs(random())));
    const all = process.env.TWIN_ALL === "1";
    const third = (of: number): ClassicalMethod[] => RULES.filter((_, m) => all || m % 3 === of % 3);
    await expectAgreement(buildNetwork(choice([kind], true, numbers)), third(k));
    await expectAgreement(buildNetwork(choice(["conv", kind, "conv"], false, numbers)), third(k + 1));
  });
});

describe("a transposed convolution counts the elements of its input, not the zeros between them:", () => {
  const wave = (n: number, step: number): number[] => Array.from({ length: n }, (_, k) => Math.sin(1 + k * step));
  const upscaling = (attributes: Record<string, AttributeInput>): Uint8Array => {
    const nodes: NodeInput[] = [
      { op: "ConvTranspose", inputs: ["image", "w", "b"], outputs: ["y"], attributes },
      { op: "GlobalMaxPool", inputs: ["y"], outputs: ["p"] },
      { op: "Flatten", inputs: ["p"], outputs: ["scores"] },
    ];
    return buildModel({
      inputs: [{ name: "image", dims: ["N", 2, 4, 3] }],
      nodes,
      initializers: { w: { dims: [2, 2, 3, 2], data: wave(24, 1.7) }, b: { dims: [2], data: [0.1, -0.2] } },
      outputs: ["scores"],
    });
  };
  it.each<[string, Record<string, AttributeInput>]>([
    ["of strides", { strides: [2, 3] }],
    ["padded", { strides: [2, 2], pads: [1, 0, 0, 1] }],
    // More padding than the kernel reaches cuts rows of zeros and elements off.
    ["cut off", { strides: [3, 2], pads: [3, 2, 4, 1] }],
    ["dilated", { strides: [3, 1], dilations: [1, 2], output_padding: [2, 0] }],
    ["to a size", { strides: [2, 2], output_shape: [8, 6] }],
  ])("%s", async (_what, attributes) => {
    const model = upscaling(attributes);
    const frame = Float64Array.from(wave(24, 0.9), Math.fround);
    for (const method of ["flat", "w-square", "epsilon-plus-flat", "epsilon-gamma-box"] as const) {
      const options = { low: [-1, -1], high: [1, 1], method };
      const [explained] = await explainFrames(model, [frame], [1, 2, 4, 3], options, "onnxruntime");
      const { relevance } = classicalTwin(model, frame, [1, 2, 4, 3], options);
      expect(relevance.some((v) => v !== 0)).toBe(true);
      expect(relativeError(explained!.relevance, relevance), method).toBeLessThan(TOLERANCE);
    }
  });
});
