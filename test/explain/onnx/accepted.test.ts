import { describe, expect, it } from "vitest";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { importOnnx } from "../../../src/explain/onnx/import.js";
import { explainFrames } from "../run.js";
import { relativeError } from "../twin/golden.js";
import type { InitializerInput, NodeInput } from "../twin/onnx-writer.js";
import { twin } from "../twin/twin.js";
import { classifier, ints, node, patched, ramp } from "./messages.js";

const SHAPE = [1, 3, 6, 6];
const RANGE = { low: [-1, -1.5, -2], high: [1, 2, 1.5] };
const frames = [2, 3, 5].map((k) => Float64Array.from({ length: 108 }, (_, i) => Math.fround(Math.cos(i * k))));

/** Engine and twin agree on three frames at once. */
async function expectAgreement(model: Uint8Array, reference = model): Promise<void> {
  const explained = await explainFrames(model, frames, SHAPE, RANGE);
  frames.forEach((frame, n) => {
    const expected = twin(reference, frame, SHAPE, RANGE);
    expect(relativeError(explained[n]!.logits, expected.logits)).toBeLessThan(1e-5);
    expect(relativeError(explained[n]!.relevance, expected.relevance)).toBeLessThan(1e-4);
  });
}

const conv = node("Conv", ["image", "w"], ["c"], { pads: [1, 1, 1, 1] });
const w = ramp(4, 3, 3, 3);
type Case = [what: string, nodes: NodeInput[], constants?: Record<string, InitializerInput>, options?: object];

describe("shape arithmetic that exporters leave in a graph is folded, the batch left open", () => {
  it.each<Case>([
    [
      "[shape(x)[0], −1] by Shape, Gather, Unsqueeze, Concat, Reshape",
      [
        conv,
        node("Shape", ["c"], ["s"]),
        node("Gather", ["s", "zero"], ["n"], { axis: 0 }),
        node("Unsqueeze", ["n", "axes"], ["n1"]),
        node("Concat", ["n1", "rest"], ["target"], { axis: 0 }),
        node("Reshape", ["c", "target"], ["r"]),
        node("Reshape", ["r", "back"], ["y"]),
      ],
      { zero: { dims: [], data: [0], type: "int64" }, axes: ints(0), rest: ints(-1), back: ints(0, 4, 6, 6) },
    ],
    [
      "channel shuffle with every length computed",
      [
        conv,
        node("Shape", ["c"], ["s"]),
        node("Slice", ["s", "i0", "i1"], ["n"]),
        node("Slice", ["s", "i1", "i2"], ["channels"]),
        node("Slice", ["s", "i2", "i4"], ["size"]),
        node("Div", ["channels", "two"], ["half"]),
        node("Concat", ["n", "two", "half", "size"], ["apart"], { axis: 0 }),
        node("Reshape", ["c", "apart"], ["r"]),
        node("Transpose", ["r"], ["t"], { perm: [0, 2, 1, 3, 4] }),
        node("Concat", ["n", "minus", "size"], ["together"], { axis: 0 }),
        node("Reshape", ["t", "together"], ["y"]),
      ],
      { i0: ints(0), i1: ints(1), i2: ints(2), i4: ints(4), two: ints(2), minus: ints(-1) },
    ],
    [
      "a slice to half the computed width",
      [
        conv,
        node("Shape", ["c"], ["s"], { start: 3 }),
        node("Div", ["s", "two"], ["half"]),
        node("Slice", ["c", "zero", "half", "three"], ["y"]),
      ],
      { zero: ints(0), two: ints(2), three: ints(3) },
    ],
    [
      "a weight that is transposed and cast in the graph",
      [
        node("Transpose", ["wt"], ["turned"], { perm: [3, 2, 0, 1] }),
        node("Cast", ["turned"], ["cast"], { to: 1 }),
        node("Conv", ["image", "cast"], ["y"], { pads: [1, 1, 1, 1] }),
      ],
      { wt: { ...ramp(3, 3, 3, 4), type: "float64" } },
    ],
  ])("%s", async (_what, nodes, constants) => {
    await expectAgreement(classifier(nodes, { w, ...constants }, { channels: 4 }));
  });
});

describe("a file exported for one frame explains batches", () => {
  const relu = node("Relu", ["c"], ["r"]);
  it.each<Case>([
    [
      "reshaped to [1, …] and back",
      [conv, relu, node("Reshape", ["r", "a"], ["f"]), node("Reshape", ["f", "b"], ["y"])],
    ],
    ["reshaped to [1, −1, …]", [conv, relu, node("Reshape", ["r", "d"], ["f"]), node("Reshape", ["f", "b"], ["y"])]],
  ])("%s", async (_what, nodes) => {
    const constants = { w, a: ints(1, 144), b: ints(1, 4, 6, 6), d: ints(1, -1, 12) };
    await expectAgreement(classifier(nodes, constants, { channels: 4, batch: 1 }));
  });
});

describe("weights", () => {
  const relu = node("Relu", ["c"], ["y"]);
  const plain = classifier([conv, relu], { w }, { channels: 4 });
  const network = (model: Uint8Array) => canonicalise(importOnnx(model));
  const kernel = (model: Uint8Array): Float32Array => {
    const [layer] = network(model).layers;
    if (layer?.kind !== "conv") throw new Error("the first layer is no convolution");
    return layer.weight.data;
  };

  it("in float64 are read", async () => {
    const wide = classifier([conv, relu], { w: { ...w, type: "float64" } }, { channels: 4 });
    expect(kernel(wide)).toEqual(kernel(plain));
    await expectAgreement(wide);
  });

  // 0x3c00 is 1, 0xc000 is −2, 0x3555 is 0.33325195, 0x0001 is 2^−24, the smallest there is.
  it("in float16 are read, as raw bytes and as numbers", () => {
    const halves = [0x3c00, 0xc000, 0x3555, 0x0001];
    const values = [1, -2, 0.333251953125, 2 ** -24];
    const bits = Uint16Array.from({ length: 108 }, (_, k) => halves[k % 4]!);
    const expected = Float32Array.from({ length: 108 }, (_, k) => values[k % 4]!);
    for (const raw of [true, false]) {
      const model = patched(plain, (m) => {
        const tensor = m.graph.initializer.find((t: { name: string }) => t.name === "w");
        tensor.dataType = 10;
        tensor.rawData = raw ? new Uint8Array(bits.buffer) : undefined;
        tensor.int32Data = raw ? [] : Array.from(bits);
      });
      expect(kernel(model)).toEqual(expected);
    }
  });

  it("kept as numbers in the message are read", () => {
    const model = patched(plain, (m) => {
      const tensor = m.graph.initializer.find((t: { name: string }) => t.name === "w");
      tensor.floatData = Array.from(new Float32Array(Uint8Array.from(tensor.rawData).buffer));
      tensor.rawData = undefined;
    });
    expect(kernel(model)).toEqual(kernel(plain));
  });

  it.each([
    ["too few", (t: { dims: number[] }) => t.dims.push(2), "holds 108 numbers where its dims [4, 3, 3, 3, 2] need 216"],
    ["of negative dims", (t: { dims: number[] }) => t.dims.splice(0, 2, -4, -3), "negative dims"],
    ["of a type that is not known", (t: { dataType: number }) => (t.dataType = 8), "element type string"],
  ])("%s are refused by name", (_what, change, reason) => {
    const model = patched(plain, (m) => {
      change(m.graph.initializer.find((t: { name: string }) => t.name === "w"));
    });
    expect(() => network(model)).toThrow('tensor "w"');
    expect(() => network(model)).toThrow(reason);
  });

  it("of old opsets give the same maps: attributes where newer files have inputs", async () => {
    const old = classifier(
      [
        conv,
        node("Clip", ["c"], ["k"], { min: 0, max: 0.5 }),
        node("Pad", ["k"], ["p"], { pads: [0, 0, 1, 0, 0, 0, 0, 2], value: 0 }),
        node("Slice", ["p"], ["s"], { starts: [1], ends: [6], axes: [2] }),
        node("Unsqueeze", ["s"], ["u"], { axes: [1] }),
        node("Squeeze", ["u"], ["y"], { axes: [1] }),
      ],
      { w },
      { channels: 4, opset: 9 },
    );
    await expectAgreement(old);
  });
});
