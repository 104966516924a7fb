import { describe, expect, it } from "vitest";
import type { Layer, Network } from "../../../src/explain/network/network.js";
import { importTflite } from "../../../src/explain/tflite/import.js";
import { bytes, liteFile, type OperatorSpec, type TensorSpec, wholes } from "./writer.js";

const ADD = 0;
const CONV_2D = 3;
const MAX_POOL_2D = 17;
const MEAN = 40;
const QUANTIZE = 114;
const INT8 = 9;
const INT32 = 2;

/** A tensor of whole numbers of 8 bits, from `low` on in steps. */
const ranged = (low: number, step: number): TensorSpec => ({
  dims: [1, 2, 2, 2],
  type: INT8,
  scales: [step],
  zeroPoints: [-128 - low / step],
});
const picture = ranged(-1, 1 / 128);
const kernel: TensorSpec = {
  dims: [2, 1, 1, 2],
  type: INT8,
  data: bytes(1, 2, 3, 4),
  scales: [0.5, 0.25],
  zeroPoints: [0, 0],
};
const bias: TensorSpec = { dims: [2], type: INT32, data: wholes(256, -512), scales: [9, 9] };
const conv = (options = {}): OperatorSpec => ({
  code: CONV_2D,
  inputs: [0, 1, 2],
  outputs: [3],
  options: { 1: { int32: 1 }, 2: { int32: 1 }, ...options },
});

/** A convolution whose result is so, and perhaps more; the last tensor is averaged to scores. */
function network(
  result: TensorSpec,
  options = {},
  more: readonly OperatorSpec[] = [],
  tensors: readonly TensorSpec[] = [],
) {
  const all = [picture, kernel, bias, result, ...tensors];
  return importTflite(
    liteFile({
      tensors: [...all, { dims: [2], type: INT32, data: wholes(1, 2) }, { dims: [1, 2] }],
      operators: [
        conv(options),
        ...more,
        { code: MEAN, inputs: [all.length - 1, all.length], outputs: [all.length + 1] },
      ],
    }),
  );
}
const activations = ({ layers }: Network): unknown[] =>
  layers.flatMap((l) => (l.kind === "activation" ? l.steps.map(({ op, attributes }) => [op, attributes]) : []));
const isConv = (l: Layer): l is Extract<Layer, { kind: "conv" }> => l.kind === "conv";

describe("a quantised network of TensorFlow Lite", () => {
  it("has the weights that its whole numbers stand for, and a bias in the scale of the products", () => {
    const [layer] = network(ranged(-1, 1 / 128)).layers.filter(isConv);
    expect([...layer!.weight.data]).toEqual([0.5, 1, 0.75, 1]);
    // 256 · 1/128 · 0.5 and −512 · 1/128 · 0.25, whatever scale stands beside it.
    expect([...layer!.bias!]).toEqual([1, -1]);
  });

  it("is cut off where a range begins at 0 as by the ReLU that its converter left out, and nowhere else", () => {
    expect(activations(network(ranged(0, 0.1)))).toEqual([["Relu", {}]]);
    expect(activations(network(ranged(0, 6 / 255)))).toEqual([["Clip", { min: 0, max: 6 }]]);
    expect(activations(network(ranged(-1, 1 / 128)))).toEqual([]);
  });

  it("is not cut off again where nothing lies below 0", () => {
    const fused = { 3: { int8: 1 } };
    const pool = {
      code: MAX_POOL_2D,
      inputs: [3],
      outputs: [4],
      options: { 1: { int32: 1 }, 2: { int32: 1 }, 3: { int32: 1 }, 4: { int32: 1 } },
    };
    const twice = { code: ADD, inputs: [4, 4], outputs: [5] };
    const more = [ranged(0, 0.1), ranged(0, 0.2)];
    expect(activations(network(ranged(0, 0.1), fused, [pool, twice], more))).toEqual([["Relu", {}]]);
  });

  it("whose picture is made whole at the beginning is not cut off there", () => {
    const read = importTflite(
      liteFile({
        tensors: [
          { dims: [1, 2, 2, 2] },
          ranged(0, 1 / 255),
          { dims: [2], type: INT32, data: wholes(1, 2) },
          { dims: [1, 2] },
        ],
        operators: [
          { code: QUANTIZE, inputs: [0], outputs: [1] },
          { code: MEAN, inputs: [1, 2], outputs: [3] },
        ],
      }),
    );
    expect(read.layers.map((l) => l.kind)).toEqual(["mean"]);
  });
});
