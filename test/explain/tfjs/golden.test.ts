import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { explainFrames } from "../run.js";
import { GOLDEN_MAPS, goldenCase, goldenNames, relativeError } from "../twin/golden.js";
import { parseNpy } from "../twin/npy.js";
import { tfjsNetwork } from "./model.js";

const TOLERANCE = 1e-4;

const KERAS = goldenNames().filter((name) => name.startsWith("keras-"));

describe.each(["layers", "graph"])("TensorFlow.js %s models give the golden maps", (format) => {
  it.each(KERAS)("%s", async (name) => {
    const golden = goldenCase(name);
    const model = tfjsNetwork(join(golden.folder, format));
    const expectedProbabilities = parseNpy(readFileSync(join(golden.folder, "probabilities.npy")));
    const classes = expectedProbabilities.dims[1]!;
    expect(golden.maps.size).toBeGreaterThanOrEqual(6);
    for (const [map, expected] of golden.maps) {
      const options = { low: golden.low, high: golden.high, ...GOLDEN_MAPS[map] };
      const explained = await explainFrames(model, golden.frames, golden.shape, options);
      explained.forEach(({ logits, probabilities, relevance }, n) => {
        const row = (expectedProbabilities.data as Float32Array).subarray(n * classes, (n + 1) * classes);
        expect(relativeError(logits, golden.logits[n]!), `${map} logits ${n}`).toBeLessThan(TOLERANCE);
        expect(relativeError(probabilities, row), `${map} probabilities ${n}`).toBeLessThan(TOLERANCE);
        expect(relativeError(relevance, expected[n]!), `${map} frame ${n}`).toBeLessThan(TOLERANCE);
      });
    }
  });

  it("keeps one transposition at most, at the picture or before a dense layer", () => {
    for (const name of KERAS) {
      const { layers } = tfjsNetwork(join(goldenCase(name).folder, format));
      const turns = layers.filter((l) => l.kind === "transpose");
      const flat = layers.some((l) => l.kind === "reshape");
      expect(turns.length, name).toBeLessThanOrEqual(flat ? 2 : 1);
    }
  });
});
