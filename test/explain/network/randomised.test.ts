import { describe, expect, it } from "vitest";
import { normal } from "../../../src/evaluate/random.js";
import type { DenseLayer, Layer, Network, ScaleLayer } from "../../../src/explain/network/network.js";
import { randomised, weightedLayers } from "../../../src/explain/network/randomised.js";

const SIZE = 40;

function dense(k: number): DenseLayer {
  const data = Float32Array.from({ length: SIZE * SIZE }, (_, i) => 5 + 2 * Math.sin(i * (k + 1)));
  return {
    ...{ kind: "dense", name: `d${k}`, operator: "Gemm", inputs: [k], outputs: [k + 1] },
    ...{ weight: { dims: [SIZE, SIZE], data }, bias: new Float32Array(SIZE).fill(3) },
  };
}
const scale: ScaleLayer = {
  ...{ kind: "scale", name: "s", operator: "Mul", inputs: [2], outputs: [3] },
  factor: { dims: [SIZE], data: Float32Array.from({ length: SIZE }, (_, k) => k) },
};
/** dense, dense, scale, dense. */
const layers: Layer[] = [dense(0), dense(1), scale, dense(3)];
const network: Network = {
  ...{ input: 0, output: 4, layers, final: "none", nextId: 5 },
  shapes: new Map([0, 1, 2, 3, 4].map((id) => [id, [-1, SIZE]])),
};
const cascade = (count: number) => randomised(network, count, (layer) => normal(7, layer)).layers;
const weights = (layer: Layer): Float32Array => (layer.kind === "dense" ? layer.weight.data : new Float32Array());

describe("a network with random weights", () => {
  it("has them from the scores down, and what is in front of them stays", () => {
    expect(weightedLayers(network)).toBe(3);
    expect(cascade(0)).toEqual(layers);
    expect(cascade(1).map((layer, k) => layer === layers[k])).toEqual([true, true, true, false]);
    expect(cascade(2).map((layer, k) => layer === layers[k])).toEqual([true, false, false, false]);
    expect(cascade(3).map((layer, k) => layer === layers[k])).toEqual([false, false, false, false]);
  });

  it("keeps at the next stage what it drew at the one before", () => {
    expect(cascade(3).slice(1)).toEqual(cascade(2).slice(1));
  });

  it("draws each tensor with its own mean and deviation", () => {
    const drawn = weights(cascade(1)[3]!);
    const mean = drawn.reduce((a, b) => a + b, 0) / drawn.length;
    const deviation = Math.sqrt(drawn.reduce((a, b) => a + (b - mean) ** 2, 0) / drawn.length);
    // Standard errors of 1600 draws are 0.035 and 0.025.
    expect(Math.abs(mean - 5)).toBeLessThan(0.15);
    expect(Math.abs(deviation - Math.SQRT2)).toBeLessThan(0.1);
    expect(drawn).not.toEqual(weights(layers[3]!));
    // A constant has no deviation to draw with.
    const [last] = cascade(1).slice(-1) as [DenseLayer];
    expect(last.bias).toEqual(new Float32Array(SIZE).fill(3));
  });

  it("leaves the network that it is made of as it was", () => {
    const before = weights(layers[0]!).slice();
    cascade(3);
    expect(weights(layers[0]!)).toEqual(before);
  });
});
