import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { R_LRP_NAMES } from "../../../src/explain/method-names.js";
import { classifier, ints, node, ramp } from "../onnx/messages.js";
import { noise } from "../random/writer.js";
import { explainFrames } from "../run.js";
import { relativeError } from "../twin/golden.js";
import type { InitializerInput, NodeInput } from "../twin/onnx-writer.js";
import { buildModel } from "../twin/onnx-writer.js";
import { type TwinOptions, twin } from "../twin/twin.js";

const SHAPE = [1, 3, 6, 6];
const RANGE = { low: [-1, -1, -1], high: [2, 2, 2] };

/** Noise in the left half, zeros in the right; zeros alone; noise alone. */
const pictures = [(x: number) => x < 3, () => false, () => true].map((shown, k) => {
  const random = noise(k + 1);
  return Float64Array.from({ length: 108 }, (_, i) => (shown(i % 6) ? Math.fround(2 * random()) : 0));
});

async function expectAgreement(model: Uint8Array, frames = pictures, shape = SHAPE, options: TwinOptions = {}) {
  for (const method of R_LRP_NAMES) {
    const given = { ...RANGE, ...options, method };
    const explained = await explainFrames(model, frames, shape, given);
    frames.forEach((frame, n) => {
      const expected = twin(model, frame, shape, given);
      expect(relativeError(explained[n]!.relevance, expected.relevance), `${method} frame ${n}`).toBeLessThan(1e-4);
    });
  }
}

const filled = (value: number, ...dims: number[]): InitializerInput => ({
  dims,
  data: new Array(dims.reduce((a, b) => a * b, 1)).fill(value),
});

type Case = [what: string, nodes: NodeInput[], constants?: Record<string, InitializerInput>];
const bn = { g: filled(1, 4), s: filled(1, 4), m: filled(0, 4) };
const conv = (x: string, y: string, ...bias: string[]) =>
  node("Conv", [x, y === "a" ? "w" : "v", ...bias], [y], { pads: [1, 1, 1, 1] });
const bnOn = (x: string, y: string) => node("BatchNormalization", [x, "g", "s", "m", "g"], [y]);

describe("relevance that meets zeros stays finite and agrees with the twin", () => {
  it.each<Case>([
    [
      "a layer of biases alone where the picture is black",
      [conv("image", "a", "b"), conv("a", "c", "b"), node("Relu", ["c"], ["y"])],
    ],
    [
      "a layer that is zero where the picture is black",
      [conv("image", "a"), conv("a", "c"), node("Relu", ["c"], ["y"])],
    ],
    [
      "a shift after a layer that is zero",
      [conv("image", "a"), node("Relu", ["a"], ["r"]), conv("r", "c"), node("Sigmoid", ["c"], ["y"])],
    ],
    [
      "a batch norm after a sum of branches that are zero",
      [
        conv("image", "a"),
        node("Relu", ["a"], ["r"]),
        conv("r", "c"),
        node("Relu", ["c"], ["q"]),
        node("Add", ["r", "q"], ["z"]),
        bnOn("z", "y"),
      ],
    ],
    [
      "a dead branch of a skip connection",
      [
        conv("image", "a"),
        node("Relu", ["a"], ["r"]),
        node("Sub", ["r", "much"], ["low"]),
        node("Relu", ["low"], ["dead"]),
        conv("dead", "c", "b"),
        node("Add", ["r", "c"], ["y"]),
      ],
    ],
    [
      "kernels of zeros",
      [
        conv("image", "a", "b"),
        node("Conv", ["a", "zeros"], ["c"]),
        node("Concat", ["a", "c"], ["k"], { axis: 1 }),
        node("Slice", ["k", "i", "j", "i"], ["y"]),
      ],
      { zeros: filled(0, 4, 4, 1, 1), i: ints(1), j: ints(5) },
    ],
  ])("%s", async (_what, nodes, constants) => {
    const strong = { dims: [4, 4, 3, 3], data: Array.from(ramp(4, 4, 3, 3).data, (v) => 30 * v) };
    const weights = { w: ramp(4, 3, 3, 3), v: strong, b: filled(20, 4), much: filled(1e4), ...bn, ...constants };
    await expectAgreement(classifier(nodes, weights, { channels: 4 }));
  });

  it("a closed gate, whose signal may be negative", async () => {
    const nodes = [
      conv("image", "a", "b"),
      node("GlobalAveragePool", ["a"], ["p"]),
      node("Add", ["p", "shift"], ["q"]),
      node("HardSigmoid", ["q"], ["h"]),
      node("Mul", ["a", "h"], ["z"]),
      bnOn("z", "y"),
    ];
    const shift = { dims: [1, 4, 1, 1], data: [-50, 50, -50, 0] };
    const weights = { w: ramp(4, 3, 3, 3), b: filled(0.1, 4), shift, ...bn };
    await expectAgreement(classifier(nodes, weights, { channels: 4 }));
  });
});

describe("the size of weights and activations does not matter", () => {
  it.each([1e-6, 1e-3, 1e3, 1e6])("each layer %d times as strong, eight layers in a row", async (factor) => {
    const names = ["image", ...Array.from({ length: 8 }, (_, k) => `l${k}`)];
    const nodes = names
      .slice(1)
      .map((name, k) => node(k % 3 === 2 ? "Relu" : "Conv", k % 3 === 2 ? [names[k]!] : [names[k]!, `w${k}`], [name]));
    const weights = Object.fromEntries(
      nodes.flatMap((n, k) => {
        if (n.op !== "Conv") return [];
        const w = ramp(3, 3, 1, 1);
        // Forth and back, so that no activation leaves float32.
        const by = k % 3 === 0 ? factor : 1 / factor;
        return [[`w${k}`, { ...w, data: Array.from(w.data, (v) => v * by) }]];
      }),
    );
    await expectAgreement(classifier(nodes, weights, { y: "l7" }));
  });
});

describe("max pooling, with ties", () => {
  const geometry = fc.record({
    kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    strides: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
    dilations: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
    pads: fc.array(fc.nat(2), { minLength: 4, maxLength: 4 }),
    ceil: fc.boolean(),
    height: fc.integer({ min: 5, max: 9 }),
    width: fc.integer({ min: 5, max: 9 }),
    values: fc.constantFrom(1, 2, 4),
    seed: fc.nat(),
  });

  it("agrees with the twin for any window, stride, dilation and padding", async () => {
    await fc.assert(
      fc.asyncProperty(geometry, async ({ kernel, strides, dilations, pads, ceil, height, width, values, seed }) => {
        const attributes = {
          kernel_shape: kernel,
          strides,
          dilations,
          // A pad as long as the kernel would leave a window with nothing in it.
          pads: pads.map((p, k) => Math.min(p, kernel[k % 2]! - 1)),
          ceil_mode: ceil ? 1 : 0,
        };
        const random = noise(seed);
        const frame = Float64Array.from({ length: 2 * height * width }, () => Math.round(values * random()));
        const size = (k: 0 | 1) => {
          const length = [height, width][k]!;
          const steps =
            (length + attributes.pads[k]! + attributes.pads[k + 2]! - dilations[k] * (kernel[k] - 1) - 1) / strides[k];
          const count = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
          return ceil && (count - 1) * strides[k] >= length + attributes.pads[k]! ? count - 1 : count;
        };
        const features = 2 * size(0) * size(1);
        const model = buildModel({
          inputs: [{ name: "image", dims: ["N", 2, height, width] }],
          nodes: [
            node("MaxPool", ["image"], ["p"], attributes),
            node("Flatten", ["p"], ["f"]),
            node("Gemm", ["f", "w"], ["scores"]),
          ],
          initializers: { w: ramp(features, 3) },
          outputs: ["scores"],
        });
        const shape = [1, 2, height, width];
        const [explained] = await explainFrames(model, [frame], shape, {});
        const expected = twin(model, frame, shape, {});
        expect(relativeError(explained!.logits, expected.logits)).toBeLessThan(1e-5);
        expect(relativeError(explained!.relevance, expected.relevance)).toBeLessThan(1e-4);
      }),
      { numRuns: 120 },
    );
  });
});
