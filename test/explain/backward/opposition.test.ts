import { describe, expect, it } from "vitest";
import { oppositions } from "../../../src/explain/backward/opposition.js";
import { rectifiedIds } from "../../../src/explain/backward/rectified.js";
import { visibleShares } from "../../../src/explain/backward/visible-share.js";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import type { Network } from "../../../src/explain/network/network.js";
import { importOnnx } from "../../../src/explain/onnx/import.js";
import { node } from "../onnx/messages.js";
import { buildModel, type NodeInput } from "../twin/onnx-writer.js";

const SIDE = 40;

/** A picture of 3 × 40 × 40, `nodes` from "image" to "last", and a head; kernels of 4 channels by their size: w1, w3, w5. */
function networkOf(nodes: NodeInput[]): Network {
  const kernel = (size: number, channels = 4) => ({
    dims: [4, channels, size, size],
    data: Array.from({ length: 4 * channels * size * size }, (_, k) => Math.sin(k + 1)),
  });
  const model = buildModel({
    inputs: [{ name: "image", dims: ["N", 3, SIDE, SIDE] }],
    nodes: [
      node("Conv", ["image", "w"], ["first"]),
      node("Relu", ["first"], ["a"]),
      ...nodes,
      node("GlobalAveragePool", ["last"], ["mean"]),
      node("Flatten", ["mean"], ["flat"]),
      node("Gemm", ["flat", "head"], ["scores"]),
    ],
    initializers: {
      w: kernel(3, 3),
      w1: kernel(1),
      w3: kernel(3),
      w5: kernel(5),
      zero: { dims: [], data: [0] },
      one: { dims: [1], data: [1] },
      axes: { dims: [3], data: [1, 2, 3], type: "int64" },
      six: { dims: [], data: [6] },
      head: { dims: [4, 2], data: [1, 2, 3, 4, 5, 6, 7, 8] },
    },
    outputs: ["scores"],
  });
  return canonicalise(importOnnx(model));
}

/** Pixels that each convolution, pool and dense layer sees along a side, in order; 40 is all of it. */
function fields(nodes: NodeInput[]): number[] {
  const network = networkOf(nodes);
  const shares = visibleShares(network);
  const windows = network.layers.filter(({ kind }) => /^(conv|averagePool|maxPool|dense)$/.test(kind));
  return windows.map(({ outputs }) => Math.round(shares.get(outputs[0]!)! * SIDE * 1e6) / 1e6);
}

/** λ of each convolution behind the first, in pixels of the side that it stands for; 40 is all. */
function opposed(nodes: NodeInput[]): number[] {
  const network = networkOf(nodes);
  const λ = oppositions(network, (seen) => seen);
  const convolutions = network.layers.filter(({ kind }) => kind === "conv").slice(1);
  return convolutions.map((layer) => Math.round((λ.get(layer) ?? 1) * SIDE * 1e6) / 1e6);
}

const conv = (x: string, y: string, weight = "w3", attributes = {}): NodeInput =>
  node("Conv", [x, weight], [y], attributes);
const relu = (x: string, y: string): NodeInput => node("Relu", [x], [y]);
const same = { pads: [1, 1, 1, 1] };

describe("the share of the picture that a layer sees", () => {
  // 3, then (3−1)·1 more; a pool of 2 by 2 one more and the jump 2; then (5−1)·2 more.
  it("grows by kernel and jump", () =>
    expect(
      fields([
        conv("a", "b"),
        node("MaxPool", ["b"], ["p"], { kernel_shape: [2, 2], strides: [2, 2] }),
        conv("p", "last", "w5"),
      ]),
    ).toEqual([3, 5, 6, 14, 40]));

  it("grows by dilation", () => expect(fields([conv("a", "last", "w3", { dilations: [3, 3] })])).toEqual([3, 9, 40]));

  it("is the largest of branches that meet", () =>
    expect(
      fields([
        conv("a", "b", "w3", same),
        conv("a", "c", "w1"),
        node("Add", ["b", "c"], ["s"]),
        conv("s", "last", "w1"),
      ]),
    ).toEqual([3, 5, 3, 5, 40]));

  it("is what it was behind a layer norm, in one piece or spelled out", () => {
    const spelled = [
      node("ReduceMean", ["a", "axes"], ["m"]),
      node("Sub", ["a", "m"], ["d"]),
      node("Mul", ["a", "a"], ["q"]),
      node("ReduceMean", ["q", "axes"], ["v"]),
      node("Sqrt", ["v"], ["r"]),
      node("Div", ["d", "r"], ["n"]),
    ];
    expect(fields([...spelled, conv("n", "last")])).toEqual([3, 5, 40]);
    const piece = node("LayerNormalization", ["a", "one"], ["n"], { axis: 1 });
    expect(fields([piece, conv("n", "last")])).toEqual([3, 5, 40]);
  });

  it("is all of it behind a gate of a global pool", () =>
    expect(
      fields([
        node("GlobalAveragePool", ["a"], ["m"]),
        node("Sigmoid", ["m"], ["g"]),
        node("Mul", ["a", "g"], ["y"]),
        conv("y", "last"),
      ]),
    ).toEqual([3, 40, 40]));
});

describe("what speaks against is passed on in the measure of what is seen", () => {
  it("between rectified tensors", () =>
    expect(opposed([conv("a", "b"), relu("b", "c"), conv("c", "d"), relu("d", "last")])).toEqual([5, 7]));

  it("up to a clip that begins at 0, and through pools, pads of zeros and concats", () =>
    expect(
      opposed([
        node("MaxPool", ["a"], ["p"], { kernel_shape: [3, 3] }),
        node("Concat", ["p", "p"], ["q"], { axis: 1 }),
        node("Split", ["q"], ["r", "unused"], { axis: 1, num_outputs: 2 }),
        conv("r", "b"),
        node("Clip", ["b", "zero", "six"], ["last"]),
      ]),
    ).toEqual([7]));

  it("in a branch of a sum that only a ReLU reads", () =>
    expect(opposed([conv("a", "b", "w3", same), node("Add", ["a", "b"], ["s"]), relu("s", "last")])).toEqual([5]));

  it("in both terms of a difference that only a ReLU reads", () =>
    expect(
      opposed([conv("a", "b", "w3", same), conv("a", "c", "w1"), node("Sub", ["b", "c"], ["s"]), relu("s", "last")]),
    ).toEqual([5, 3]));

  it("and wholly where the input may be negative or something else reads the output", () => {
    expect(opposed([conv("a", "b"), conv("b", "c"), relu("c", "last")])).toEqual([40, 40]);
    expect(opposed([conv("a", "b"), node("Sigmoid", ["b"], ["last"])])).toEqual([40]);
    expect(
      opposed([conv("a", "b"), relu("b", "c"), node("Tanh", ["b"], ["d"]), node("Add", ["c", "d"], ["last"])]),
    ).toEqual([40]);
  });
});

it("the scores are not rectified, whatever reads them", () => {
  const network = networkOf([relu("a", "last")]);
  expect(rectifiedIds(network).has(network.output)).toBe(false);
  expect(rectifiedIds(network).size).toBe(2);
});
