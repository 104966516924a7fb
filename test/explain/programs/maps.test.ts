import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { loadModel, requirePreprocessing } from "../../../src/explain/model/load.js";
import type { Network } from "../../../src/explain/network/network.js";
import { inputValues, type Preprocessing } from "../../../src/explain/preprocessing.js";
import { gradCamProgram, mapProgram, pathGradientProgram } from "../../../src/explain/programs/maps.js";
import { scoresProgram } from "../../../src/explain/programs/scores.js";
import { tensorProgram } from "../../../src/explain/programs/tensor.js";
import { runProgram } from "../run.js";
import { relativeError } from "../twin/golden.js";

const { network, ...model } = loadModel(fileURLToPath(new URL("../../../models/inspection-cnn", import.meta.url)));
const pictures = requirePreprocessing({ network, ...model });
const SIZE = 96 * 96;

const noise = (count: number): Uint8Array => Uint8Array.from({ length: 3 * SIZE * count }, (_, k) => (k * 7919) % 251);
const frames = (count: number) => ({ data: noise(count), dims: [count, 96, 96, 3] });
const floats = (...values: number[]) => ({ data: Float32Array.from(values), dims: [values.length] });

describe("maps of a class for each frame", () => {
  it("are those of the one class that other programs explain, summed over the channels", async () => {
    const options = { method: "r-lrp-graded" } as const;
    const { map } = await runProgram(mapProgram(network, options, pictures), {
      frames: frames(2),
      target: floats(4, 1),
    });
    const range = { low: inputValues(pictures, 0), high: inputValues(pictures, 255), channelAxis: 1 };
    for (const [n, target] of [4, 1].entries()) {
      const program = tensorProgram(network, { ...options, target }, range, pictures);
      const relevance = (await runProgram(program, { frames: frames(2) })).relevance!.data as Float32Array;
      const own = relevance.subarray(3 * SIZE * n, 3 * SIZE * (n + 1));
      const summed = Array.from({ length: SIZE }, (_, k) => own[k]! + own[SIZE + k]! + own[2 * SIZE + k]!);
      const given = (map!.data as Float32Array).subarray(SIZE * n, SIZE * (n + 1));
      const l1 = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + Math.abs(b), 0);
      const scaled = (values: ArrayLike<number>): number[] => Array.from(values, (v) => v / l1(values));
      expect(relativeError(scaled(given), scaled(summed))).toBeLessThan(1e-4);
    }
  });
});

describe("scores", () => {
  it("decide by the logits, where sigmoids are sure of every class", async () => {
    const last = network.layers.at(-1)!;
    if (last.kind !== "dense") throw new Error("the network should end in a dense layer");
    const layers = [...network.layers.slice(0, -1), { ...last, bias: Float32Array.of(50, 60, 70, 900, 80, 90) }];
    const sure: Network = { ...network, layers, final: "sigmoid" };
    const { probabilities, top } = await runProgram(scoresProgram(sure, pictures), { frames: frames(2) });
    expect([...(probabilities!.data as Float32Array)]).toEqual(new Array(12).fill(1));
    expect([...(top!.data as Float32Array)]).toEqual([3, 3]);
  });
});

describe("steps of integrated gradients", () => {
  it("add up to what the picture adds to the score of an input of zeros", async () => {
    // With a mean of zero that is the black picture.
    const zeroMean: Preprocessing = { ...pictures, mean: [0, 0, 0] };
    const steps = 24;
    const one = noise(1);
    const data = new Uint8Array(one.length * steps);
    for (let k = 0; k < steps; k++) data.set(one, k * one.length);
    const { map } = await runProgram(pathGradientProgram(network, zeroMean), {
      frames: { data, dims: [steps, 96, 96, 3] },
      target: floats(...new Array<number>(steps).fill(2)),
      alpha: floats(...Array.from({ length: steps }, (_, k) => (k + 0.5) / steps)),
    });
    const sum = (map!.data as Float32Array).reduce((a, b) => a + b, 0) / steps;
    const range = { low: [0], high: [4], channelAxis: 1 };
    const scores = tensorProgram(network, { method: "r-lrp", target: 2 }, range, zeroMean);
    const both = new Uint8Array(2 * one.length);
    both.set(one);
    const logits = (await runProgram(scores, { frames: { data: both, dims: [2, 96, 96, 3] } })).logits!
      .data as Float32Array;
    const gained = logits[2]! - logits[6 + 2]!;
    expect(Math.abs(sum - gained)).toBeLessThan(0.05 * Math.abs(gained) + 0.02);
  });
});

describe("Grad-CAM", () => {
  const at = { name: "node", operator: "Op" };
  const window = { kernel: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] } as const;
  /** Two features of each pixel, rectified, their means, two scores: `z_1 = 2 m_0 − m_1`. */
  const small: Network = {
    ...{ input: 0, output: 4, final: "none", nextId: 5 },
    layers: [
      {
        ...at,
        ...{ kind: "conv", inputs: [0], outputs: [1], groups: 1 },
        kernel: [...window.kernel],
        strides: [...window.strides],
        pads: [...window.pads],
        dilations: [...window.dilations],
        weight: { dims: [2, 3, 1, 1], data: Float32Array.of(1, 0, 0, 0, 1, -1) },
      },
      { ...at, kind: "activation", inputs: [1], outputs: [2], steps: [{ op: "Relu", operands: [0], attributes: {} }] },
      { ...at, kind: "mean", inputs: [2], outputs: [3], axes: [2, 3], keepDims: false },
      { ...at, kind: "dense", inputs: [3], outputs: [4], weight: { dims: [2, 2], data: Float32Array.of(0, 2, 0, -1) } },
    ],
    shapes: new Map([
      [0, [-1, 3, 2, 2]],
      [1, [-1, 2, 2, 2]],
      [2, [-1, 2, 2, 2]],
      [3, [-1, 2]],
      [4, [-1, 2]],
    ]),
  };
  const card: Preprocessing = {
    ...{ width: 2, height: 2, channels: 3, channelOrder: "RGB", layout: "NCHW" },
    ...{ mean: [0, 0, 0], std: [1, 1, 1] },
  };

  it("weighs the last features by the mean of their gradients, and cuts off what is negative", async () => {
    // Pixels (R, G, B); features R and max(0, G − B); the gradients' means are 2/4 and −1/4.
    const data = Uint8Array.of(8, 0, 0, 8, 20, 4, 0, 9, 1, 4, 0, 7);
    const { map } = await runProgram(gradCamProgram(small, card), {
      frames: { data, dims: [1, 2, 2, 3] },
      target: floats(1),
    });
    expect([...(map!.data as Float32Array)]).toEqual([4, 0, 0, 2]);
  });

  it("is refused where nothing is laid out as a picture behind the first layer", () => {
    const { shapes } = small;
    const flat: Network = {
      ...small,
      layers: [
        { ...at, kind: "reshape", inputs: [0], outputs: [3] },
        { ...at, kind: "dense", inputs: [3], outputs: [4], weight: { dims: [12, 2], data: new Float32Array(24) } },
      ],
      shapes: new Map([...shapes, [3, [-1, 12]]]),
    };
    expect(() => gradCamProgram(flat, card)).toThrow(/grad-cam needs a convolution's output through which all passes/);
  });
});
