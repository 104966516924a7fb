import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { importTflite } from "../../../src/explain/tflite/import.js";
import { explainFrames } from "../run.js";
import { relativeError } from "../twin/golden.js";
import { readNpy } from "../twin/npy.js";

const FOLDER = fileURLToPath(new URL("../../fixtures/tflite/", import.meta.url));

describe("operators of TensorFlow Lite give the scores that tf.lite gives", () => {
  it.each([
    ["activations", 1e-5],
    ["moves", 1e-5],
    ["norms", 1e-5],
    ["attention", 1e-5],
    ["windows", 1e-5],
    // Rounded to 256 steps after each operator there, and not here.
    ["windows-int8", 0.02],
  ])("%s", async (name, tolerance) => {
    const network = canonicalise(importTflite(readFileSync(join(FOLDER, `${name}.tflite`))));
    const [input, answers] = [readNpy(join(FOLDER, "input.npy")), readNpy(join(FOLDER, `${name}.npy`))];
    const row = (n: number, { data, dims }: typeof input) =>
      data.subarray((n * data.length) / dims[0]!, ((n + 1) * data.length) / dims[0]!);
    const frames = [0, 1].map((n) => row(n, input));
    const options = { low: [-1], high: [1], channelAxis: 3 };
    const explained = await explainFrames(network, frames, [1, ...input.dims.slice(1)], options);
    explained.forEach(({ logits, probabilities, relevance }, n) => {
      const scores = network.final === "none" ? logits : probabilities;
      expect(relativeError(scores, row(n, answers))).toBeLessThan(tolerance);
      expect(relevance.reduce((sum, r) => sum + Math.abs(r), 0)).toBeCloseTo(1, 4);
    });
  });
});
