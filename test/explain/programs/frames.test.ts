import { beforeAll, describe, expect, it } from "vitest";
import type { NumericTensor } from "../../../src/explain/engines/engine.js";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { importOnnx } from "../../../src/explain/onnx/import.js";
import { DEFAULT_METHOD, type MethodOptions } from "../../../src/explain/options.js";
import type { Preprocessing } from "../../../src/explain/preprocessing.js";
import { coarseSize, framesProgram, type SummaryOptions } from "../../../src/explain/programs/frames.js";
import { node, ramp } from "../onnx/messages.js";
import { noise } from "../random/writer.js";
import { explainFrames, runProgram } from "../run.js";
import { relativeError } from "../twin/golden.js";
import { buildModel, type NodeInput } from "../twin/onnx-writer.js";

const [HEIGHT, WIDTH] = [10, 13];
const COUNT = HEIGHT * WIDTH;

/** A convolution, a rectifier and a head of five classes on pictures of these dims. */
function network(layout: "NCHW" | "NHWC" | "grey", channels: number) {
  const dims = { NCHW: [channels, HEIGHT, WIDTH], NHWC: [HEIGHT, WIDTH, channels], grey: [HEIGHT, WIDTH] }[layout];
  const first: Record<typeof layout, NodeInput[]> = {
    NCHW: [node("Identity", ["image"], ["x"])],
    NHWC: [node("Transpose", ["image"], ["x"], { perm: [0, 3, 1, 2] })],
    grey: [node("Unsqueeze", ["image", "one"], ["x"])],
  };
  const model = buildModel({
    inputs: [{ name: "image", dims: ["N", ...dims] }],
    nodes: [
      ...first[layout],
      node("Conv", ["x", "w", "b"], ["c"], { pads: [1, 1, 1, 1], strides: [2, 2] }),
      node("Relu", ["c"], ["r"]),
      node("Flatten", ["r"], ["f"]),
      node("Gemm", ["f", "head"], ["scores"]),
    ],
    initializers: {
      one: { dims: [1], data: [1], type: "int64" },
      w: ramp(6, channels, 3, 3),
      b: ramp(6),
      head: ramp(6 * 5 * 7, 5),
    },
    outputs: ["scores"],
  });
  return canonicalise(importOnnx(model));
}

const frames = [1, 2, 3].map((seed) => {
  const random = noise(seed);
  return Uint8Array.from({ length: COUNT * 3 }, () => 127.5 * (1 + random()));
});
const SUMMARY: SummaryOptions = { top: 3, grid: { rows: 3, columns: 4 }, blur: 1.5 };

interface Case {
  layout: "NCHW" | "NHWC" | "grey";
  p: Preprocessing;
}
const base = { width: WIDTH, height: HEIGHT };
const rgb = { mean: [120, 100, 90], std: [60, 50, 70] };
const CASES: [string, Case][] = [
  ["RGB, channels first", { layout: "NCHW", p: { ...base, ...rgb, channels: 3, channelOrder: "RGB", layout: "NCHW" } }],
  ["BGR, channels first", { layout: "NCHW", p: { ...base, ...rgb, channels: 3, channelOrder: "BGR", layout: "NCHW" } }],
  ["RGB, channels last", { layout: "NHWC", p: { ...base, ...rgb, channels: 3, channelOrder: "RGB", layout: "NHWC" } }],
  ["BGR, channels last", { layout: "NHWC", p: { ...base, ...rgb, channels: 3, channelOrder: "BGR", layout: "NHWC" } }],
  [
    "one mean and std for all channels",
    { layout: "NCHW", p: { ...base, mean: [0], std: [255], channels: 3, channelOrder: "RGB", layout: "NCHW" } },
  ],
  [
    "grey, channels first",
    { layout: "NCHW", p: { ...base, mean: [128], std: [64], channels: 1, channelOrder: "RGB", layout: "NCHW" } },
  ],
  [
    "grey, channels last",
    { layout: "NHWC", p: { ...base, mean: [128], std: [64], channels: 1, channelOrder: "RGB", layout: "NHWC" } },
  ],
  [
    "grey without an axis of channels",
    { layout: "grey", p: { ...base, mean: [128], std: [64], channels: 1, channelOrder: "RGB", layout: "NCHW" } },
  ],
];

/** What the model reads, computed pixel by pixel. */
function preprocess(frame: Uint8Array, p: Preprocessing): Float64Array {
  const out = new Float64Array(COUNT * p.channels);
  for (let i = 0; i < COUNT; i++)
    for (let c = 0; c < p.channels; c++) {
      const [r, g, b] = [frame[i * 3]!, frame[i * 3 + 1]!, frame[i * 3 + 2]!];
      const luma = 0.299 * r + 0.587 * g + 0.114 * b;
      const pixel = p.channels === 1 ? luma : [r, g, b][p.channelOrder === "BGR" ? 2 - c : c]!;
      const value = (pixel - p.mean[c % p.mean.length]!) / p.std[c % p.std.length]!;
      out[p.layout === "NCHW" ? c * COUNT + i : i * p.channels + c] = value;
    }
  return out;
}

async function run(
  { layout, p }: Case,
  options: Partial<MethodOptions> = {},
  summary = SUMMARY,
  scale = [0, 0, 0],
  classifyOnly = false,
): Promise<Record<string, NumericTensor>> {
  const program = framesProgram(
    network(layout, p.channels),
    { ...DEFAULT_METHOD, ...options },
    p,
    summary,
    classifyOnly,
  );
  return runProgram(program, {
    frames: { data: Uint8Array.from(frames.flatMap((f) => [...f])), dims: [frames.length, HEIGHT, WIDTH, 3] },
    scale: { data: Float32Array.from(scale), dims: [frames.length] },
  });
}

/** The per-pixel shares of each frame, from the model's own input. */
async function sharesOf({
  layout,
  p,
}: Case): Promise<{ shares: Float64Array[]; logits: Float32Array[]; probabilities: Float32Array[] }> {
  const net = network(layout, p.channels);
  const shape = [1, ...net.shapes.get(net.input)!.slice(1)];
  const inputs = frames.map((frame) => preprocess(frame, p));
  const bound = (pixel: number) => p.mean.map((m, c) => (pixel - m) / p.std[c]!);
  const axis = p.layout === "NCHW" ? 1 : 3;
  const explained = await explainFrames(net, inputs, shape, { low: bound(0), high: bound(255), channelAxis: axis });
  const shares = explained.map(({ relevance }) => {
    const pixels = new Float64Array(COUNT);
    relevance.forEach((v, k) => {
      pixels[p.layout === "NCHW" ? k % COUNT : Math.floor(k / p.channels)]! += v;
    });
    const total = pixels.reduce((sum, v) => sum + Math.abs(v), 0);
    return pixels.map((v) => v / total);
  });
  return { shares, logits: explained.map((e) => e.logits), probabilities: explained.map((e) => e.probabilities) };
}

const row = (t: NumericTensor, n: number): number[] => {
  const size = t.data.length / frames.length;
  return Array.from(t.data.subarray(n * size, (n + 1) * size) as Float32Array, Number);
};

describe("pictures become the model's input", () => {
  it.each(CASES)("%s", async (_what, given) => {
    const out = await run(given);
    const { logits, probabilities, shares } = await sharesOf(given);
    frames.forEach((_, n) => {
      const order = Array.from(logits[n]!, (_v, k) => k).sort((a, b) => logits[n]![b]! - logits[n]![a]!);
      expect(row(out.top_index!, n)).toEqual(order.slice(0, 3));
      expect(
        relativeError(
          row(out.top_probability!, n),
          order.slice(0, 3).map((k) => probabilities[n]![k]!),
        ),
      ).toBeLessThan(1e-4);
      expect(row(out.target_index!, n)).toEqual([order[0]]);
      expect(row(out.target_logit!, n)[0]).toBeCloseTo(logits[n]![order[0]!]!, 4);
      expect(row(out.target_probability!, n)[0]).toBeCloseTo(probabilities[n]![order[0]!]!, 5);
      const positive = shares[n]!.reduce((sum, v) => sum + Math.max(v, 0), 0);
      expect(row(out.positive!, n)[0]).toBeCloseTo(positive, 4);
      expect(relativeError(row(out.grid!, n), pool(shares[n]!, 3, 4))).toBeLessThan(1e-3);
    });
  });
});

/** Sums over cells, each pixel cut up where a border runs through it. */
function pool(map: ArrayLike<number>, rows: number, columns: number): number[] {
  const part = (c: number, i: number, count: number, size: number): number =>
    Math.max(0, Math.min(i + 1, ((c + 1) * size) / count) - Math.max(i, (c * size) / count));
  return Array.from({ length: rows * columns }, (_, cell) => {
    let sum = 0;
    for (let y = 0; y < HEIGHT; y++)
      for (let x = 0; x < WIDTH; x++)
        sum +=
          map[y * WIDTH + x]! *
          part(Math.floor(cell / columns), y, rows, HEIGHT) *
          part(cell % columns, x, columns, WIDTH);
    return sum;
  });
}

/** Every pixel spread over the picture by a Gaussian whose weights sum to one inside it. */
function blur(map: Float64Array, sigma: number): Float64Array {
  const spread = (from: number, to: number): number =>
    Math.abs(from - to) <= 4 * sigma ? Math.exp(-((from - to) ** 2) / (2 * sigma ** 2)) : 0;
  const whole = (from: number, size: number): number =>
    Array.from({ length: size }, (_, to) => spread(from, to)).reduce((a, b) => a + b);
  const out = new Float64Array(COUNT);
  map.forEach((v, i) => {
    const [y0, x0] = [Math.floor(i / WIDTH), i % WIDTH];
    for (let y = 0; y < HEIGHT; y++)
      for (let x = 0; x < WIDTH; x++)
        out[y * WIDTH + x]! += (v * spread(y0, y) * spread(x0, x)) / (whole(y0, HEIGHT) * whole(x0, WIDTH));
  });
  return out;
}

describe("the summary of a map", () => {
  const given = CASES[0]![1];
  let shares: Float64Array[];
  beforeAll(async () => {
    shares = (await sharesOf(given)).shares;
  });
  const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);
  const descending = (values: Iterable<number>): number[] => [...values].map(Math.abs).sort((a, b) => b - a);

  it("has positive and negative shares that make up one", async () => {
    const out = await run(given);
    frames.forEach((_, n) => {
      expect(row(out.positive!, n)[0]! - row(out.negative!, n)[0]!).toBeCloseTo(1, 4);
      expect(row(out.negative!, n)[0]).toBeLessThanOrEqual(0);
      expect(row(out.total!, n)[0]).toBeGreaterThan(0);
    });
  });

  it.each([
    [1, 1],
    [3, 4],
    [10, 13],
    [16, 32],
  ])("has a grid of %d × %d that sums to positive and negative together", async (rows, columns) => {
    const out = await run(given, {}, { ...SUMMARY, grid: { rows, columns } });
    frames.forEach((_, n) => {
      const cells = row(out.grid!, n);
      expect(cells.length).toBe(rows * columns);
      expect(sum(cells)).toBeCloseTo(row(out.positive!, n)[0]! + row(out.negative!, n)[0]!, 4);
      expect(relativeError(cells, pool(shares[n]!, rows, columns))).toBeLessThan(1e-3);
    });
  });

  it("has the share of the most relevant tenth of the pixels", async () => {
    const out = await run(given);
    frames.forEach((_, n) => {
      expect(row(out.concentration!, n)[0]).toBeCloseTo(sum(descending(shares[n]!).slice(0, Math.ceil(COUNT / 10))), 4);
    });
  });

  it.each([0, 0.7, 1.5, 4])("has a heatmap blurred by %d pixels, whose sum the blur keeps", async (sigma) => {
    const out = await run(given, {}, { ...SUMMARY, blur: sigma });
    const { rows, columns } = coarseSize(given.p);
    frames.forEach((_, n) => {
      const smooth = sigma === 0 ? shares[n]! : blur(shares[n]!, sigma);
      expect(sum(smooth)).toBeCloseTo(sum(shares[n]!), 10);
      expect(relativeError(row(out.coarse!, n), pool(smooth.map(Math.abs), rows, columns))).toBeLessThan(1e-3);
      // The frame's own peak: the smallest of the largest half per cent of the values, here the largest one.
      const peak = row(out.peak!, n)[0]!;
      expect(peak).toBeCloseTo(descending(smooth)[0]!, 5);
      expect(row(out.used_scale!, n)[0]).toBe(peak);
      // Half a percent of so few pixels is one.
      expect(row(out.peak_share!, n)[0]).toBeCloseTo(descending(smooth)[0]! / sum(smooth.map(Math.abs)), 5);
      const heat = row(out.heatmap!, n);
      smooth.forEach((v, i) => {
        const exact = Math.min(255, Math.max(1, 128 + (127 * v) / peak));
        expect(Math.abs(heat[i]! - exact)).toBeLessThan(0.51);
      });
      expect(Math.max(...heat.map((v) => Math.abs(v - 128)))).toBe(127);
    });
  });

  it("draws the heatmap on the scale that is given", async () => {
    const out = await run(given, {}, SUMMARY, [0.5, 0, 0.001]);
    const own = await run(given);
    expect(out.used_scale!.data).toEqual(Float32Array.of(0.5, Number(own.peak!.data[1]), 0.001));
    expect(out.peak!.data).toEqual(own.peak!.data);
    const smooth = blur(shares[2]!, SUMMARY.blur);
    smooth.forEach((v, i) => {
      expect(Math.abs(row(out.heatmap!, 2)[i]! - Math.min(255, Math.max(1, 128 + (127 * v) / 0.001)))).toBeLessThan(
        0.6,
      );
    });
    expect(Math.max(...row(out.heatmap!, 0).map((v) => Math.abs(v - 128)))).toBeLessThan(30);
  });

  it("of a frame through which nothing flows is empty and finite", async () => {
    // Class 0 of a network whose head has no weights.
    const model = buildModel({
      inputs: [{ name: "image", dims: ["N", 3, HEIGHT, WIDTH] }],
      nodes: [node("Flatten", ["image"], ["f"]), node("Gemm", ["f", "w"], ["scores"])],
      initializers: { w: { dims: [3 * COUNT, 2], data: new Array(6 * COUNT).fill(0) } },
      outputs: ["scores"],
    });
    const program = framesProgram(canonicalise(importOnnx(model)), DEFAULT_METHOD, given.p, SUMMARY, false);
    const out = await runProgram(program, {
      frames: { data: frames[0]!, dims: [1, HEIGHT, WIDTH, 3] },
      scale: { data: Float32Array.of(0), dims: [1] },
    });
    for (const name of ["positive", "negative", "total", "concentration", "peak", "peak_share"])
      expect(Math.abs(Number(out[name]!.data[0]))).toBe(0);
    expect(new Set(out.heatmap!.data as Uint8Array)).toEqual(new Set([128]));
    expect(Array.from(out.grid!.data as Float32Array).every((v) => v === 0)).toBe(true);
  });

  it("is left out when a frame is only classified", async () => {
    const out = await run(given, {}, { ...SUMMARY, top: 99 }, [0, 0, 0], true);
    expect(Object.keys(out).sort()).toEqual([
      "target_index",
      "target_logit",
      "target_probability",
      "top_index",
      "top_probability",
    ]);
    expect(out.top_index!.dims).toEqual([3, 5]);
  });

  it("is of the class that is asked for, which must exist", async () => {
    const out = await run(given, { target: 4 });
    expect(Array.from(out.target_index!.data, Number)).toEqual([4, 4, 4]);
    await expect(run(given, { target: 5 })).rejects.toThrow(
      "target class 5 does not exist: the model has classes 0 to 4",
    );
  });
});
