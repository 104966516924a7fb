import { describe, expect, it } from "vitest";
import { allFinite } from "../../../src/explain/onnx/finite.js";
import { importOnnx } from "../../../src/explain/onnx/import.js";
import type { InitializerInput, NodeInput } from "../twin/onnx-writer.js";
import { classifier, node, patched, ramp } from "./messages.js";

const spoilt = (value: number, ...dims: number[]): InitializerInput => {
  const data = Array.from(ramp(...dims).data);
  data[2] = value;
  return { dims, data };
};
const conv = node("Conv", ["image", "w"], ["y"]);
type Case = [what: string, nodes: NodeInput[], constants: Record<string, InitializerInput>, said: string];

const CASES: Case[] = [
  ["a kernel with NaN", [conv], { w: spoilt(Number.NaN, 3, 3, 1, 1) }, 'its weight "w" holds NaN at position 2'],
  ["an infinite kernel", [conv], { w: spoilt(-Infinity, 3, 3, 1, 1) }, 'its weight "w" holds -Infinity at position 2'],
  [
    "an infinite bias",
    [node("Conv", ["image", "w", "b"], ["y"])],
    { w: ramp(3, 3, 1, 1), b: spoilt(Infinity, 3) },
    'its weight "b"',
  ],
  ["an infinite factor", [node("Mul", ["image", "k"], ["y"])], { k: spoilt(Infinity, 3, 1, 1) }, 'its weight "k"'],
  [
    "a divisor of zero",
    [node("Div", ["image", "k"], ["y"])],
    { k: spoilt(0, 3, 1, 1) },
    "its weights come out as Infinity",
  ],
  [
    "a slope that is none",
    [node("PRelu", ["image", "k"], ["y"])],
    { k: spoilt(Number.NaN, 3, 1, 1) },
    'its weight "k"',
  ],
  [
    "a variance below zero",
    [node("BatchNormalization", ["image", "g", "g", "g", "v"], ["y"])],
    { g: ramp(3), v: { dims: [3], data: [1, -1, 1] } },
    "its weights come out as NaN",
  ],
  [
    "a weight that others are computed from",
    [
      node("Transpose", ["w"], ["t"], { perm: [1, 0, 2, 3] }),
      node("Add", ["t", "t"], ["u"]),
      node("Conv", ["image", "u"], ["y"]),
    ],
    { w: spoilt(Number.NaN, 3, 3, 1, 1) },
    'its weight "w" holds NaN at position 2',
  ],
  [
    "a weight that overflows when it is computed",
    [node("Exp", ["w"], ["u"]), node("Conv", ["image", "u"], ["y"])],
    { w: spoilt(1000, 3, 3, 1, 1) },
    'its weight "u" holds Infinity at position 2',
  ],
  [
    "a weight in float64 that float32 does not hold",
    [node("Cast", ["w"], ["u"], { to: 1 }), node("Conv", ["image", "u"], ["y"])],
    { w: { ...spoilt(1e300, 3, 3, 1, 1), type: "float64" } },
    'its weight "u" holds Infinity',
  ],
];

describe("weights that are no finite numbers", () => {
  it.each(CASES)("%s is refused by name", (_what, nodes, constants, said) => {
    expect(() => importOnnx(classifier(nodes, constants))).toThrow(said);
  });

  it("say so where a conversion to float16 made them", () => {
    const model = patched(classifier([conv], { w: ramp(3, 3, 1, 1) }), (m) => {
      const w = m.graph.initializer.find((t: { name: string }) => t.name === "w");
      Object.assign(w, { dataType: 10, rawData: new Uint8Array(Uint16Array.from({ length: 9 }, () => 0x7c00).buffer) });
    });
    expect(() => importOnnx(model)).toThrow("as float16, which ends at 65504");
  });

  it("are no weights where they are bounds, or never used", () => {
    const nodes = [
      node("Clip", ["image", "low", "high"], ["a"]),
      node("Pad", ["a", "pads", "low"], ["b"]),
      node("MaxPool", ["b"], ["c"], { kernel_shape: [3, 3] }),
      node("Max", ["c", "low"], ["y"]),
    ];
    const number = (value: number): InitializerInput => ({ dims: [], data: [value] });
    const pads: InitializerInput = { dims: [8], data: [0, 0, 1, 1, 0, 0, 1, 1], type: "int64" };
    const model = classifier(nodes, { low: number(-Infinity), high: number(3.4e38), pads, unused: number(Number.NaN) });
    expect(importOnnx(model).layers.map((l) => l.operator)).toContain("MaxPool");
  });

  it.each([0, 1, 4, 5, 7])("are found at any place of %d numbers", (length) => {
    expect(allFinite(new Float32Array(length).fill(3e38))).toBe(true);
    for (let at = 0; at < length; at++)
      for (const value of [Number.NaN, Infinity, -Infinity]) {
        const data = new Float32Array(length).fill(-3e38);
        data[at] = value;
        expect(allFinite(data)).toBe(false);
      }
  });
});
