import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { canonicalise } from "../../src/explain/network/canonicalise.js";
import { importOnnx } from "../../src/explain/onnx/import.js";
import { type Explained, explainFrames } from "./run.js";
import { GOLDEN_MAPS, goldenCase, goldenNames, relativeError } from "./twin/golden.js";
import { parseNpy } from "./twin/npy.js";
import type { TwinOptions } from "./twin/twin.js";

/** Relative to the frame's largest |R|: what float32 leaves after many layers. */
const TOLERANCE = 1e-4;

const sum = (values: Float32Array): number => values.reduce((total, v) => total + Math.abs(v), 0);

describe("the engine agrees with the golden maps", () => {
  it.each(goldenNames())("%s", async (name) => {
    const golden = goldenCase(name);
    expect(golden.maps.size).toBeGreaterThanOrEqual(6);
    const network = canonicalise(importOnnx(golden.model));
    for (const [map, expected] of golden.maps) {
      const options: TwinOptions = { low: golden.low, high: golden.high, ...GOLDEN_MAPS[map] };
      const explained = await explainFrames(network, golden.frames, golden.shape, options);
      explained.forEach(({ logits, relevance, target }, n) => {
        expect(relativeError(logits, golden.logits[n]!), `${map} logits ${n}`).toBeLessThan(TOLERANCE);
        expect(relativeError(relevance, expected[n]!), `${map} frame ${n}`).toBeLessThan(TOLERANCE);
        expect(target).toBe(options.target ?? golden.target[n]);
        expect(sum(relevance)).toBeCloseTo(name === "dead" ? 0 : 1, 4);
      });
    }
  });
});

describe("a batch of three", () => {
  it.each(goldenNames())("of %s is three batches of one", async (name) => {
    const golden = goldenCase(name);
    const options: TwinOptions = { low: golden.low, high: golden.high };
    const together = await explainFrames(golden.model, golden.frames, golden.shape, options);
    const alone: Explained[] = [];
    for (const frame of golden.frames)
      alone.push((await explainFrames(golden.model, [frame], golden.shape, options))[0]!);
    together.forEach((one, n) => {
      expect(relativeError(one.logits, alone[n]!.logits)).toBeLessThan(1e-5);
      expect(relativeError(one.relevance, alone[n]!.relevance)).toBeLessThan(1e-5);
    });
  });
});

describe("a network through which no relevance flows", () => {
  it("gives maps of zeros, whatever the method", async () => {
    const golden = goldenCase("dead");
    for (const options of Object.values(GOLDEN_MAPS)) {
      const explained = await explainFrames(golden.model, golden.frames, golden.shape, {
        low: golden.low,
        high: golden.high,
        ...options,
      });
      for (const { relevance } of explained) expect(relevance.every((v) => v === 0)).toBe(true);
    }
  });
});

describe("probabilities", () => {
  it.each(goldenNames().filter((name) => name.startsWith("keras-")))("of %s are what Keras predicts", async (name) => {
    const golden = goldenCase(name);
    const { data } = parseNpy(readFileSync(join(golden.folder, "probabilities.npy")));
    const explained = await explainFrames(golden.model, golden.frames, golden.shape, {
      low: golden.low,
      high: golden.high,
    });
    const flat = explained.flatMap(({ probabilities }) => Array.from(probabilities));
    expect(relativeError(flat, data as Float32Array)).toBeLessThan(1e-5);
  });
});
