import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { onnxruntimeRunner } from "../../../src/explain/engines/onnxruntime.js";
import { withWinograd } from "../../../src/explain/engines/winograd.js";
import { Emitter, type WindowAttributes } from "../../../src/explain/program/emitter.js";
import type { Program } from "../../../src/explain/program/program.js";
import { isSmooth } from "../../../src/explain/programs/explanation.js";
import { noise } from "../random/writer.js";

interface Shape {
  batch: number;
  channels: number;
  out: number;
  height: number;
  width: number;
}

const WINDOW = { kernel: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1] } as const;
const random = (seed: number, length: number): Float32Array => {
  const next = noise(seed);
  return Float32Array.from({ length }, next);
};
const weightOf = ({ out, channels }: Shape): Float32Array => random(1, out * channels * 9);
const biasOf = ({ out }: Shape): Float32Array => random(2, out);
const pictureOf = ({ batch, channels, height, width }: Shape): Float32Array =>
  random(3, batch * channels * height * width);

/** A program of one convolution. */
function convolution(
  shape: Shape,
  { smooth = true, biased = true, window = WINDOW as WindowAttributes, known = true, groups = 1 } = {},
): Program {
  const { channels, out, height, width } = shape;
  const e = new Emitter();
  const x = e.input("x", "float32", [-1, channels, height, width]);
  const weight = e.tensor(weightOf(shape), [out, channels / groups, ...window.kernel]);
  const bias = biased ? e.tensor(biasOf(shape), [out]) : undefined;
  const y = e.conv(x, weight, bias, window, groups, known ? [height, width] : undefined);
  e.output(y, "y", "float32", [-1, out, -1, -1]);
  return e.finish(smooth);
}

/** `y[n, o, r, c] = b[o] + Σ w[o, i, dr, dc] x[n, i, r + dr − 1, c + dc − 1]` in float64, term by term. */
function slow(shape: Shape, biased: boolean): Float64Array {
  const { batch, channels, out, height, width } = shape;
  const [x, w, b] = [pictureOf(shape), weightOf(shape), biasOf(shape)];
  const y = new Float64Array(batch * out * height * width);
  let at = 0;
  for (let n = 0; n < batch; n++)
    for (let o = 0; o < out; o++)
      for (let r = 0; r < height; r++)
        for (let c = 0; c < width; c++, at++) {
          let sum = biased ? b[o]! : 0;
          for (let i = 0; i < channels; i++)
            for (let dr = 0; dr < 3; dr++)
              for (let dc = 0; dc < 3; dc++) {
                const [row, column] = [r + dr - 1, c + dc - 1];
                if (row < 0 || row >= height || column < 0 || column >= width) continue;
                sum +=
                  w[((o * channels + i) * 3 + dr) * 3 + dc]! * x[((n * channels + i) * height + row) * width + column]!;
              }
          y[at] = sum;
        }
  return y;
}

const isReplaced = (program: Program): boolean => withWinograd(program).operations.some((o) => o.op === "DepthToSpace");

const WIDE: Shape = { batch: 1, channels: 96, out: 96, height: 14, width: 18 };

describe("a convolution by minimal filtering", () => {
  it("gives what the sum over its window gives, at every size, even or odd, with a bias or without", async () => {
    const channels = fc.constantFrom(80, 96, 128);
    const shapes = fc.record({
      shape: fc.record({
        batch: fc.integer({ min: 1, max: 2 }),
        channels,
        out: channels,
        height: fc.integer({ min: 13, max: 17 }),
        width: fc.integer({ min: 17, max: 20 }),
      }),
      biased: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(shapes, async ({ shape, biased }) => {
        const { batch, channels, out, height, width } = shape;
        const program = convolution(shape, { biased });
        expect(isReplaced(program)).toBe(true);
        const runner = await onnxruntimeRunner(program, { device: "cpu", threads: 1 });
        const { y } = await runner.run({ x: { data: pictureOf(shape), dims: [batch, channels, height, width] } });
        await runner.close();
        const expected = slow(shape, biased);
        expect(y!.dims).toEqual([batch, out, height, width]);
        const largest = expected.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
        const error = expected.reduce((most, v, k) => Math.max(most, Math.abs(v - Number(y!.data[k]))), 0);
        expect(error / largest).toBeLessThan(5e-6);
      }),
      { numRuns: 8, seed: 7, endOnFailure: true },
    );
  });

  it("makes the weights of both directions once where two convolutions read the same", () => {
    const e = new Emitter();
    const { channels, height, width } = WIDE;
    const x = e.input("x", "float32", [-1, channels, height, width]);
    const weight = e.tensor(weightOf(WIDE), [channels, channels, 3, 3]);
    const once = e.conv(x, weight, undefined, WINDOW, 1, [height, width]);
    e.output(e.conv(once, weight, undefined, WINDOW, 1, [height, width]), "y", "float32", [-1, channels, -1, -1]);
    const program = e.finish(true);
    const { constants } = withWinograd(program);
    expect(constants.filter((c) => c.dims.join() === "96,96,1,1")).toHaveLength(16);
    expect(constants.map((c) => c.name)).not.toContain(program.operations[0]!.inputs[1]);
  });
});

describe("a convolution stays as it is", () => {
  const small = { ...WIDE, height: 4, width: 4 };
  it.each([
    ["with two groups", convolution(WIDE, { groups: 2 })],
    ["at stride 2", convolution(WIDE, { window: { ...WINDOW, strides: [2, 2] } })],
    ["with dilation", convolution(WIDE, { window: { ...WINDOW, dilations: [2, 2], pads: [2, 2, 2, 2] } })],
    ["without padding", convolution(WIDE, { window: { ...WINDOW, pads: [0, 0, 0, 0] } })],
    ["with a kernel of 1 × 3", convolution(WIDE, { window: { ...WINDOW, kernel: [1, 3], pads: [0, 1, 0, 1] } })],
    ["with channels that fill no block", convolution({ ...WIDE, channels: 100, out: 100 })],
    ["where the transforms cost more than they save", convolution({ ...WIDE, channels: 32, out: 32 })],
    ["on a picture too small to gain", convolution(small)],
    ["on a picture of unknown size", convolution(WIDE, { known: false })],
    ["in a program that divides by single sums", convolution(WIDE, { smooth: false })],
  ])("%s", (_, program) => {
    expect(isReplaced(program)).toBe(false);
    expect(withWinograd(program)).toEqual(program);
  });
});

describe("methods whose programs may round by the layer", () => {
  it("are those that divide by the layer's magnitude, or not at all", () => {
    expect(isSmooth("r-lrp")).toBe(true);
    expect(isSmooth("r-lrp-constant")).toBe(true);
    for (const method of ["r-lrp-absolute", "z-plus", "epsilon-plus-flat", "gradient-x-input"] as const)
      expect(isSmooth(method), method).toBe(false);
  });
});
