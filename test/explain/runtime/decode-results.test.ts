import fc from "fast-check";
import { expect, it } from "vitest";
import type { NumericTensor } from "../../../src/explain/engines/engine.js";
import { coarseSize } from "../../../src/explain/programs/frames.js";
import { decoderOf } from "../../../src/explain/runtime/decode-results.js";

const PREPROCESSING = {
  width: 3,
  height: 2,
  channels: 3 as const,
  channelOrder: "RGB" as const,
  layout: "NCHW" as const,
  mean: [0],
  std: [1],
};
const { rows, columns } = coarseSize(PREPROCESSING);
const decode = decoderOf({ labels: ["ok", "hole"] }, PREPROCESSING, {
  method: "r-lrp",
  grid: { rows: 1, columns: 2 },
});

const floats = (...data: number[]): NumericTensor => ({ data: Float32Array.from(data), dims: [2] });
/** Two frames. */
const outputs = (): Record<string, NumericTensor> => ({
  top_index: { data: BigInt64Array.of(1n, 0n, 0n, 7n), dims: [2, 2] },
  top_probability: { data: Float32Array.of(0.75, 0.25, 1.0000001, -1e-9), dims: [2, 2] },
  target_index: { data: BigInt64Array.of(1n, 0n), dims: [2] },
  target_probability: floats(0.75, 1.0000001),
  target_logit: floats(2, 3),
  total: floats(1, 1),
  positive: floats(0.75, 1),
  negative: floats(-0.25, 0),
  concentration: floats(0.5, 0.25),
  peak: floats(0.125, 0.5),
  peak_share: floats(0.2, 0.4),
  used_scale: floats(0.25, 0.5),
  grid: { data: Float32Array.of(0.75, -0.25, 0, 1), dims: [2, 1, 2] },
  coarse: {
    data: Float32Array.from({ length: 2 * rows * columns }, (_, k) => (k === 2 * rows * columns - 1 ? 1 : 0)),
    dims: [2, rows, columns],
  },
  heatmap: { data: Uint8Array.from({ length: 12 }, (_, k) => k), dims: [2, 2, 3] },
});

const EXPLAINED = [{ classifyOnly: false }, { classifyOnly: false }];
const CLASSIFIED = [{ classifyOnly: true }, { classifyOnly: true }];

it("gives each frame its own part of every output", () => {
  const [first, second] = decode(outputs(), EXPLAINED);
  expect(first).toMatchObject({
    top: [
      { index: 1, label: "hole", probability: 0.75 },
      { index: 0, label: "ok", probability: 0.25 },
    ],
    target: { index: 1, label: "hole", logit: 2 },
    relevance: { method: "r-lrp", positive: 0.75, negative: -0.25, scale: 0.25, peak: 0.125, regions: [] },
  });
  expect(first!.relevance!.grid).toEqual({ rows: 1, columns: 2, values: [0.75, -0.25] });
  expect([...first!.relevance!.heatmap]).toEqual([0, 1, 2, 3, 4, 5]);
  expect(second).toMatchObject({ target: { index: 0, logit: 3 }, relevance: { positive: 1, concentration: 0.25 } });
  expect(second!.relevance!.grid.values).toEqual([0, 1]);
  expect([...second!.relevance!.heatmap]).toEqual([6, 7, 8, 9, 10, 11]);
  expect(second!.relevance!.regions).toHaveLength(1);
  expect(second!.relevance!.centroid).toEqual([2.5, 1.5]);
});

it("says how much of the relevance lies within a mask, of a cell what part the mask covers", () => {
  const preprocessing = { ...PREPROCESSING, width: 112, height: 40 };
  const { rows, columns } = coarseSize(preprocessing);
  const random = fc.sample(fc.double({ min: 0, max: 1, noNaN: true }), { numRuns: 2 * rows * columns, seed: 5 });
  const coarse = { data: Float32Array.from(random), dims: [2, rows, columns] };
  const inside = Uint8Array.from({ length: 112 * 40 }, (_, i) =>
    Math.hypot((i % 112) - 40, i / 112 - 18) < 15 ? 1 : 0,
  );
  const [, second] = decoderOf({ labels: [] }, preprocessing, { method: "r-lrp", grid: { rows: 1, columns: 2 } })(
    { ...outputs(), coarse, heatmap: { data: new Uint8Array(2 * 112 * 40), dims: [2, 40, 112] } },
    [{ classifyOnly: false }, { classifyOnly: false, mask: inside }],
  );
  // Two by two pixels lie in a cell, each with a quarter of what that holds.
  const values = coarse.data.subarray(rows * columns);
  const sum = (of: Iterable<number>) => [...of].reduce((a, b) => a + b, 0);
  const each = [...inside].map((v, i) => (v * values[((i / 112) >> 1) * columns + ((i % 112) >> 1)]!) / 4);
  expect(second!.relevance!.insideMask).toBeCloseTo(sum(each) / sum(values), 6);
  expect(decode(outputs(), EXPLAINED)[0]!.relevance!.insideMask).toBeUndefined();
});

it("says how much of the relevance lies at the border, in the part of interest, and in each cell", () => {
  const right = { left: 2 / 3, right: 2, top: -1, bottom: 1 };
  const left = { ...right, left: 0, right: 0.5 };
  for (const [interest, inside] of [
    [undefined, undefined],
    [right, 1],
    [left, 0],
  ] as const) {
    const [nothing, corner] = decode(
      outputs(),
      EXPLAINED.map((input) => ({ ...input, interest })),
    );
    expect(nothing!.relevance).toMatchObject({ border: 0, inside: interest && 0, peakShare: expect.closeTo(0.2, 6) });
    expect(nothing!.relevance!.density).toEqual(new Array(64).fill(0));
    // All in the pixel of the corner below on the right, a third wide and half as high as the picture.
    expect(corner!.relevance!.inside).toBe(inside);
    const inner = (1 - 3 / 28) * (1 - 2 / 28);
    expect(corner!.relevance!.border).toBeCloseTo(1 - inner, 6);
    const density = corner!.relevance!.density;
    expect(density.reduce((sum, v) => sum + v)).toBeCloseTo(1, 6);
    expect(density[63]).toBeCloseTo((3 / 8) * (2 / 8), 6);
    expect(density[0]).toBe(0);
  }
});

it("keeps a heatmap in memory of its own, which can be handed on", () => {
  const out = outputs();
  const [first] = decode(out, EXPLAINED);
  expect(first!.relevance!.heatmap.buffer.byteLength).toBe(6);
  (out.heatmap!.data as Uint8Array).fill(0);
  expect(first!.relevance!.heatmap[5]).toBe(5);
});

it("keeps probabilities within 0 and 1, and names a class without a label by its number", () => {
  const [, second] = decode(outputs(), EXPLAINED);
  expect(second!.top).toEqual([
    { index: 0, label: "ok", probability: 1 },
    { index: 7, label: "class 7", probability: 0 },
  ]);
});

it("leaves relevance out where it is not wanted, whether the program gave it or not", () => {
  const { top_index, top_probability, target_index, target_probability, target_logit } = outputs();
  const classified = decode(
    { top_index, top_probability, target_index, target_probability, target_logit } as never,
    CLASSIFIED,
  );
  expect(classified.map((e) => e.relevance)).toEqual([null, null]);
  expect(decode(outputs(), CLASSIFIED)).toEqual(classified);
});

it.each(["target_logit", "total", "grid"])("refuses a run whose %s is no number", (name) => {
  const out = outputs();
  (out[name]!.data as Float32Array)[1] = Number.NaN;
  expect(() => decode(out, EXPLAINED)).toThrow(`the network's ${name.replace("_", " ")} is NaN: its weights`);
});
