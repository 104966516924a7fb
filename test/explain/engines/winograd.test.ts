import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { NumericTensor } from "../../../src/explain/engines/engine.js";
import { onnxruntimeRunner, prepareOnnxruntime } from "../../../src/explain/engines/onnxruntime.js";
import { withWinograd } from "../../../src/explain/engines/winograd.js";
import { Emitter, type WindowAttributes } from "../../../src/explain/program/emitter.js";
import type { Program } from "../../../src/explain/program/program.js";
import { isSmooth } from "../../../src/explain/programs/explanation.js";
import { type ModelMessage, ModelProto } from "../../../src/explain/proto/onnx.js";
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

/** What onnxruntime runs after all, and what it gives. */
async function prepared(program: Program, shape: Shape): Promise<{ convolutions: number; y: NumericTensor }> {
  const folder = mkdtempSync(join(tmpdir(), "winograd-"));
  try {
    const { prepared, open } = await prepareOnnxruntime(program, { device: "cpu", threads: 1 }, folder);
    expect(prepared.blocked).toBe(true);
    const { graph } = ModelProto.decode(readFileSync(join(folder, "graph.onnx"))) as unknown as ModelMessage;
    const runner = await open();
    const { batch, channels, height, width } = shape;
    const { y } = await runner.run({ x: { data: pictureOf(shape), dims: [batch, channels, height, width] } });
    await runner.close();
    return { convolutions: graph!.node!.filter((node) => node.opType === "Conv").length, y: y! };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("a convolution by minimal filtering", () => {
  const SIZES = [
    [14, 18],
    [14, 17],
    [13, 18],
    [13, 17],
  ] as const;
  it.each(SIZES.flatMap((size, k) => [true, false].map((biased) => ({ size, biased, batch: 1 + (k % 2) }))))(
    "gives what the sum over its window gives: %j",
    async ({ size: [height, width], biased, batch }) => {
      const shape = { batch, channels: 96, out: 128, height, width };
      const { convolutions, y } = await prepared(convolution(shape, { biased }), shape);
      // Four combinations of rows, sixteen of those with columns, sixteen products.
      expect(convolutions).toBe(36);
      expect(y.dims).toEqual([batch, 128, height, width]);
      const expected = slow(shape, biased);
      const largest = expected.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      const error = expected.reduce((most, v, k) => Math.max(most, Math.abs(v - Number(y.data[k]))), 0);
      expect(error / largest).toBeLessThan(5e-6);
    },
  );

  it("gives equal values, bit for bit, where all that a window reads is equal, so that ties stay ties", async () => {
    const { channels, out, height, width } = WIDE;
    const flat = Float32Array.from({ length: channels * height * width }, (_, k) =>
      Math.sin(Math.floor(k / (height * width))),
    );
    const runner = await onnxruntimeRunner(convolution(WIDE), { device: "cpu", threads: 1 });
    const { y } = await runner.run({ x: { data: flat, dims: [1, channels, height, width] } });
    await runner.close();
    for (let o = 0; o < out; o++) {
      const inside = new Set<number>();
      for (let r = 1; r < height - 1; r++)
        for (let c = 1; c < width - 1; c++) inside.add(Number(y!.data[(o * height + r) * width + c]));
      expect(inside.size).toBe(1);
    }
  });

  it("makes the products of a weight once where two convolutions read it", () => {
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
    ["with two groups", convolution({ ...WIDE, channels: 256, out: 256 }, { groups: 2 })],
    ["at stride 2", convolution(WIDE, { window: { ...WINDOW, strides: [2, 2] } })],
    ["with dilation", convolution(WIDE, { window: { ...WINDOW, dilations: [2, 2] } })],
    ["without padding", convolution(WIDE, { window: { ...WINDOW, pads: [0, 0, 0, 0] } })],
    ["with a kernel of 5 × 5", convolution(WIDE, { window: { ...WINDOW, kernel: [5, 5] } })],
    ["whose inputs fill no block of channels", convolution({ ...WIDE, channels: 100 })],
    ["whose outputs fill no block of channels", convolution({ ...WIDE, out: 100 })],
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
  it("are those that divide by the magnitude of a layer or of what a neuron reads, or not at all", () => {
    for (const method of ["r-lrp-graded", "r-lrp-local", "r-lrp", "r-lrp-constant"] as const)
      expect(isSmooth(method), method).toBe(true);
    for (const method of ["r-lrp-absolute", "z-plus", "epsilon-plus-flat", "gradient-x-input"] as const)
      expect(isSmooth(method), method).toBe(false);
  });
});
