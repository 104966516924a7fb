import { describe, expect, it } from "vitest";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { importOnnx } from "../../../src/explain/onnx/import.js";
import { classifier, ints, node, ramp } from "../onnx/messages.js";
import { explainFrames } from "../run.js";
import { relativeError } from "../twin/golden.js";
import type { InitializerInput, NodeInput } from "../twin/onnx-writer.js";

const SHAPE = [1, 3, 6, 6];
const RANGE = { low: [-1, -1.5, -2], high: [1, 2, 1.5] };
const frame = Float64Array.from({ length: 108 }, (_, i) => Math.fround(Math.cos(i * 3)));

const conv = node("Conv", ["image", "w"], ["c"], { pads: [1, 1, 1, 1] });
const last = node("Transpose", ["c"], ["x"], { perm: [0, 2, 3, 1] });
const back = node("Transpose", ["z"], ["y"], { perm: [0, 3, 1, 2] });
const value = (v: number): InitializerInput => ({ dims: [], data: [v] });
const constants = {
  w: ramp(4, 3, 3, 3),
  gamma: { dims: [4], data: [0.5, -1.5, 1, 2] },
  beta: { dims: [4], data: [0.1, -0.2, 0.3, 0] },
  epsilon: value(1e-3),
  two: value(2),
  half: value(0.5),
  minusHalf: value(-0.5),
  axis: ints(-1),
};

const reference = [
  conv,
  last,
  node("LayerNormalization", ["x", "gamma", "beta"], ["z"], { axis: -1, epsilon: 1e-3 }),
  back,
];
const mean = node("ReduceMean", ["x", "axis"], ["mean"]);
const centred = node("Sub", ["x", "mean"], ["d"]);
const squared = node("Mul", ["d", "d"], ["q"]);
const variance = [node("ReduceMean", ["q", "axis"], ["v"]), node("Add", ["v", "epsilon"], ["e"])];
const affine = [node("Mul", ["n", "gamma"], ["g"]), node("Add", ["g", "beta"], ["z"])];

const SPELLED: [string, NodeInput[]][] = [
  [
    "(x − mean) / √(variance + ε), as PyTorch writes it before opset 17",
    [
      mean,
      centred,
      node("Pow", ["d", "two"], ["q"]),
      ...variance,
      node("Sqrt", ["e"], ["s"]),
      node("Div", ["d", "s"], ["n"]),
      ...affine,
    ],
  ],
  [
    "by the reciprocal of the root",
    [
      mean,
      centred,
      squared,
      ...variance,
      node("Sqrt", ["e"], ["s"]),
      node("Reciprocal", ["s"], ["i"]),
      node("Mul", ["i", "d"], ["n"]),
      ...affine,
    ],
  ],
  [
    "by a power",
    [mean, centred, squared, ...variance, node("Pow", ["e", "half"], ["s"]), node("Div", ["d", "s"], ["n"]), ...affine],
  ],
  [
    "x · i + (β − mean · i), as Keras writes it",
    [
      mean,
      centred,
      squared,
      ...variance,
      node("Sqrt", ["e"], ["s"]),
      node("Reciprocal", ["s"], ["r"]),
      node("Mul", ["r", "gamma"], ["i"]),
      node("Mul", ["x", "i"], ["xi"]),
      node("Mul", ["mean", "i"], ["mi"]),
      node("Sub", ["beta", "mi"], ["o"]),
      node("Add", ["xi", "o"], ["z"]),
    ],
  ],
];

describe("a layer norm spelled out of several nodes is one layer", () => {
  it.each(SPELLED)("%s", async (_what, nodes) => {
    const options = { channels: 4 };
    const spelled = classifier([conv, last, ...nodes, back], constants, options);
    const kinds = canonicalise(importOnnx(spelled)).layers.map((l) => l.kind);
    expect(kinds.filter((k) => k === "norm")).toHaveLength(1);
    expect(kinds).not.toContain("pair");
    for (const method of ["r-lrp", "r-lrp-absolute"] as const) {
      const [expected] = await explainFrames(classifier(reference, constants, options), [frame], SHAPE, {
        ...RANGE,
        method,
      });
      const [actual] = await explainFrames(spelled, [frame], SHAPE, { ...RANGE, method });
      expect(relativeError(actual!.logits, expected!.logits)).toBeLessThan(1e-5);
      expect(relativeError(actual!.relevance, expected!.relevance)).toBeLessThan(1e-4);
    }
  });

  const variance2 = [
    node("Mul", ["x", "x"], ["xx"]),
    node("ReduceMean", ["xx", "axis"], ["m2"]),
    node("Mul", ["mean", "mean"], ["mm"]),
    node("Sub", ["m2", "mm"], ["v"]),
    node("Add", ["v", "epsilon"], ["e"]),
  ];
  it.each<[string, NodeInput[]]>([
    [
      "with the variance as mean(x²) − mean(x)²",
      [mean, centred, ...variance2, node("Pow", ["e", "minusHalf"], ["i"]), node("Mul", ["d", "i"], ["n"]), ...affine],
    ],
    [
      "with the mean taken off what was divided",
      [
        mean,
        centred,
        squared,
        ...variance,
        node("Sqrt", ["e"], ["s"]),
        node("Div", ["x", "s"], ["xs"]),
        node("Div", ["mean", "s"], ["ms"]),
        node("Sub", ["xs", "ms"], ["n"]),
        ...affine,
      ],
    ],
    [
      "with another sign on the way",
      [
        mean,
        node("Sub", ["mean", "x"], ["d"]),
        ...variance2,
        node("Sqrt", ["e"], ["s"]),
        node("Neg", ["d"], ["minus"]),
        node("Div", ["minus", "s"], ["n"]),
        ...affine,
      ],
    ],
  ])("or, %s, several as one-to-one as that", async (_what, nodes) => {
    const spelled = classifier([conv, last, ...nodes, back], constants, { channels: 4 });
    const kinds = canonicalise(importOnnx(spelled)).layers.map((l) => l.kind);
    expect(kinds.filter((k) => k === "normalised").length).toBeGreaterThan(1);
    for (const method of ["r-lrp-graded", "r-lrp", "r-lrp-absolute"] as const) {
      const options = { ...RANGE, method };
      const [expected] = await explainFrames(
        classifier(reference, constants, { channels: 4 }),
        [frame],
        SHAPE,
        options,
      );
      const [actual] = await explainFrames(spelled, [frame], SHAPE, options);
      expect(relativeError(actual!.logits, expected!.logits)).toBeLessThan(1e-5);
      expect(relativeError(actual!.relevance, expected!.relevance)).toBeLessThan(1e-4);
    }
  });

  it("but a mean that is taken off and nothing else is a branch of a sum", () => {
    const model = classifier([conv, last, mean, node("Sub", ["x", "mean"], ["z"]), back], constants, { channels: 4 });
    const kinds = canonicalise(importOnnx(model)).layers.map((l) => l.kind);
    expect(kinds).toContain("add");
    expect(kinds).not.toContain("normalised");
  });

  it("but not where the variance is that of something else", () => {
    const nodes = [
      conv,
      last,
      mean,
      centred,
      node("Relu", ["d"], ["other"]),
      node("Mul", ["other", "other"], ["q"]),
      ...variance,
      node("Sqrt", ["e"], ["s"]),
      node("Div", ["d", "s"], ["z"]),
      back,
    ];
    const model = classifier(nodes, constants, { channels: 4 });
    const kinds = canonicalise(importOnnx(model)).layers.map((l) => l.kind);
    expect(kinds).not.toContain("norm");
    expect(kinds).toContain("normalised");
  });
});
