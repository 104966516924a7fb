import { describe, expect, it } from "vitest";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import type { Layer, Network } from "../../../src/explain/network/network.js";
import { importTflite } from "../../../src/explain/tflite/import.js";
import { bytes, liteFile, type OperatorSpec, type TensorSpec, wholes } from "./writer.js";

const ADD = 0;
const CONV_2D = 3;
const MAX_POOL_2D = 17;
const MEAN = 40;
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
  return canonicalise(
    importTflite(
      liteFile({
        tensors: [...all, { dims: [2], type: INT32, data: wholes(1, 2) }, { dims: [1, 2] }],
        operators: [
          conv(options),
          ...more,
          { code: MEAN, inputs: [all.length - 1, all.length], outputs: [all.length + 1] },
        ],
      }),
    ),
  );
}
const activations = ({ layers }: Network): unknown[] =>
  layers.flatMap((l) => (l.kind === "activation" ? l.steps.map(({ op, attributes }) => [op, attributes]) : []));
const roundings = ({ layers }: Network): unknown[][] =>
  layers.flatMap((l) => (l.kind === "rounding" ? [[l.scale, l.low, l.high]] : []));
const isConv = (l: Layer): l is Extract<Layer, { kind: "conv" }> => l.kind === "conv";

describe("a quantised network of TensorFlow Lite", () => {
  it("has the weights that its whole numbers stand for, and a bias in the scale of the products", () => {
    const [layer] = network(ranged(-1, 1 / 128)).layers.filter(isConv);
    expect([...layer!.weight.data]).toEqual([0.5, 1, 0.75, 1]);
    // 256 · 1/128 · 0.5 and −512 · 1/128 · 0.25, whatever scale stands beside it.
    expect([...layer!.bias!]).toEqual([1, -1]);
  });

  it("is rounded and cut off as its whole numbers are, by the ReLU that its converter left out where these begin at 0", () => {
    const at = (low: number, step: number) => network(ranged(low, step));
    expect(activations(at(0, 1 / 16))).toEqual([["Relu", {}]]);
    expect(roundings(at(0, 1 / 16)).at(-1)).toEqual([1 / 16, 0, 255]);
    expect(activations(at(-1, 1 / 128))).toEqual([]);
    expect(roundings(at(-1, 1 / 128)).at(-1)).toEqual([1 / 128, -128, 127]);
  });

  it("is not cut off again where nothing lies below 0, nor rounded twice alike", () => {
    const fused = { 3: { int8: 1 } };
    const pool = {
      code: MAX_POOL_2D,
      inputs: [3],
      outputs: [4],
      options: { 1: { int32: 1 }, 2: { int32: 1 }, 3: { int32: 2 }, 4: { int32: 1 } },
    };
    const twice = { code: ADD, inputs: [4, 4], outputs: [5] };
    const read = network(ranged(0, 1 / 16), fused, [pool, twice], [ranged(0, 1 / 16), ranged(0, 1 / 8)]);
    expect(activations(read)).toEqual([["Relu", {}]]);
    expect(new Set(roundings(read).map(([scale]) => scale))).toEqual(new Set([1 / 128, 1 / 16, 1 / 8]));
  });
});
