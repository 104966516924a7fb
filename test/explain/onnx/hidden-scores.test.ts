import { describe, expect, it } from "vitest";
import { importOnnx } from "../../../src/explain/onnx/import.js";
import { explainFrames } from "../run.js";
import { relativeError } from "../twin/golden.js";
import type { InitializerInput, NodeInput } from "../twin/onnx-writer.js";
import { twin } from "../twin/twin.js";
import { classifier, ints, node, ramp } from "./messages.js";

const SHAPE = [1, 3, 6, 6];
const RANGE = { low: [-1, -1.5, -2], high: [1, 2, 1.5], channelAxis: 1 };
const frames = [2, 3].map((k) => Float64Array.from({ length: 108 }, (_, i) => Math.fround(Math.cos(i * k) + 0.2)));

/** Four rows of nine tokens, `[N, 4, 9]`, that weigh each other by `masked` of their scores. */
const attention = (masked: NodeInput[], weights = "gate"): NodeInput[] => [
  node("Conv", ["image", "w"], ["c"], { strides: [2, 2] }),
  node("Reshape", ["c", "rows"], ["t"]),
  node("Transpose", ["t"], ["turned"], { perm: [0, 2, 1] }),
  node("MatMul", ["t", "turned"], ["s"]),
  ...masked,
  node("Softmax", ["hidden"], ["gate"], { axis: -1 }),
  ...(weights === "gate" ? [] : safe),
  node("MatMul", [weights, "t"], ["mixed"]),
  node("Reshape", ["mixed", "picture"], ["y"]),
];
const safe = [node("IsNaN", ["gate"], ["is"]), node("Where", ["is", "zero", "gate"], ["safe"])];
const hides = (k: number): boolean => [1, 6, 7, 12].includes(k);
const numbers = (of: (k: number) => number, dims = [4, 4]): InitializerInput => ({
  dims,
  data: Array.from({ length: 16 }, (_, k) => of(k)),
});
const constants = {
  w: ramp(4, 3, 1, 1),
  rows: ints(0, 4, 9),
  picture: ints(0, 4, 3, 3),
  apart: ints(-1, 1, 4, 4),
  mask: numbers((k) => (hides(k) ? -Infinity : 0.1 * k)),
  masks: numbers((k) => (hides(k) ? -Infinity : 0), [1, 1, 4, 4]),
  least: numbers((k) => (hides(k) ? -3.4028234e38 : 0)),
  ones: numbers((k) => (hides(k) ? 0 : 1)),
  others: numbers((k) => (hides(k) ? 1 : 0)),
  nothing: { dims: [], data: [-Infinity] },
  zero: { dims: [], data: [0] },
};
const add = [node("Add", ["s", "mask"], ["hidden"])];

describe("a constant mask hides scores from a softmax", () => {
  it.each<[string, NodeInput[]]>([
    ["by adding −∞", attention(add)],
    ["by adding the least of float32", attention([node("Add", ["s", "least"], ["hidden"])])],
    [
      "by Where, scores first",
      attention([node("Cast", ["ones"], ["shown"], { to: 9 }), node("Where", ["shown", "s", "nothing"], ["hidden"])]),
    ],
    [
      "by Where, −∞ first",
      attention([node("Cast", ["others"], ["left"], { to: 9 }), node("Where", ["left", "nothing", "s"], ["hidden"])]),
    ],
    ["and rows that would be no numbers are filled, as PyTorch has it", attention(add, "safe")],
    [
      "in another shape, as windows have it",
      attention([
        node("Reshape", ["s", "apart"], ["wide"]),
        node("Add", ["wide", "masks"], ["masked"]),
        node("Reshape", ["masked", "back"], ["hidden"]),
      ]),
    ],
  ])("%s", async (_what, nodes) => {
    const model = classifier(nodes, { ...constants, back: ints(-1, 4, 4) }, { channels: 4 });
    const explained = await explainFrames(model, frames, SHAPE, RANGE);
    frames.forEach((frame, n) => {
      const expected = twin(model, frame, SHAPE, RANGE);
      expect(relativeError(explained[n]!.logits, expected.logits)).toBeLessThan(1e-5);
      expect(relativeError(explained[n]!.relevance, expected.relevance)).toBeLessThan(1e-4);
    });
  });
});

describe("−∞ is refused", () => {
  const refusal = (nodes: NodeInput[], own: Record<string, InitializerInput> = {}): (() => unknown) => {
    const model = classifier(nodes, { ...constants, ...own }, { channels: 4 });
    return () => importOnnx(model);
  };

  it("where something else reads the scores too", () => {
    const nodes = attention([...add, node("Relu", ["hidden"], ["other"]), node("MatMul", ["other", "t"], ["more"])]);
    const both = [
      ...nodes.slice(0, -1),
      node("Add", ["mixed", "more"], ["m"]),
      node("Reshape", ["m", "picture"], ["y"]),
    ];
    expect(refusal(both)).toThrow(
      'node "the Add" (operator Add) cannot be explained: it hides scores with -Infinity (position 1), and not only a softmax inside reads them',
    );
  });

  it("where it hides classes", () => {
    const nodes = [node("Conv", ["image", "w"], ["c"]), node("Add", ["c", "classes"], ["y"])];
    expect(refusal(nodes, { classes: { dims: [1, 4, 1, 1], data: [0, -Infinity, 0, 0] } })).toThrow(
      "not only a softmax inside reads them",
    );
  });

  it("where it leaves a row without a score", () => {
    const mask = numbers((k) => (k >= 4 && k < 8 ? -Infinity : 0));
    expect(refusal(attention(add), { mask })).toThrow("it hides all scores of a row from a softmax");
  });

  it("with infinity beside it", () => {
    const mask = numbers((k) => (hides(k) ? -Infinity : Infinity));
    expect(refusal(attention(add), { mask })).toThrow('its weight "mask" holds');
  });

  it("and what asks for numbers that are none, of anything but a softmax", () => {
    const nodes = [
      node("Conv", ["image", "w"], ["c"]),
      node("IsNaN", ["c"], ["is"]),
      node("Where", ["is", "zero", "c"], ["y"]),
    ];
    expect(refusal(nodes)).toThrow("it asks which numbers are none, and only of a softmax is that known");
  });
});
