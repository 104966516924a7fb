import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { importTflite } from "../../../src/explain/tflite/import.js";
import { explainFrames } from "../run.js";
import { GOLDEN, GOLDEN_MAPS, goldenCase, goldenNames, relativeError } from "../twin/golden.js";
import { readNpy } from "../twin/npy.js";

const TOLERANCE = 1e-4;

const KERAS = goldenNames().filter((name) => existsSync(join(GOLDEN, name, "model.tflite")));
const networkOf = (file: string) => canonicalise(importTflite(readFileSync(file)));

describe("TensorFlow Lite models give the golden maps", () => {
  it("of nine Keras networks", () => expect(KERAS.length).toBe(9));

  it.each(KERAS)("%s", async (name) => {
    const golden = goldenCase(name);
    const model = networkOf(join(golden.folder, "model.tflite"));
    for (const map of ["r-lrp", "r-lrp-graded"]) {
      const expected = golden.maps.get(map)!;
      const options = { low: golden.low, high: golden.high, ...GOLDEN_MAPS[map] };
      const explained = await explainFrames(model, golden.frames, golden.shape, options);
      explained.forEach(({ logits, relevance }, n) => {
        expect(relativeError(logits, golden.logits[n]!), `${map} logits ${n}`).toBeLessThan(TOLERANCE);
        expect(relativeError(relevance, expected[n]!), `${map} frame ${n}`).toBeLessThan(TOLERANCE);
      });
    }
  });
});

const correlation = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  const centred = (v: ArrayLike<number>): number[] => {
    const mean = Array.from(v).reduce((sum, x) => sum + x, 0) / v.length;
    return Array.from(v, (x) => x - mean);
  };
  const [x, y] = [centred(a), centred(b)];
  const dot = (p: number[], q: number[]): number => p.reduce((sum, v, k) => sum + v * q[k]!, 0);
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
};
const top = (row: ArrayLike<number>): number => Array.from(row).reduce((best, v, k) => (v > row[best]! ? k : best), 0);

/** How far probabilities may be from what tf.lite says in the same quantisation, and maps from those of the float network. */
const KINDS = [
  { name: "keras-mobile", kind: "float16", probabilities: 1e-4, maps: 0.9999 },
  { name: "keras-mobile", kind: "int8", probabilities: 0.01, maps: 0.99 },
  { name: "keras-mobile", kind: "uint8", probabilities: 0.01, maps: 0.98 },
  { name: "keras-sequential", kind: "int8", probabilities: 0.01, maps: 0.98 },
  { name: "keras-flatten-dense", kind: "dynamic", probabilities: 0.01, maps: 0.99 },
];

describe("quantised TensorFlow Lite models agree with tf.lite on the class and with the float network on the map", () => {
  it.each(KINDS)("$name, $kind", async ({ name, kind, probabilities, maps }) => {
    const golden = goldenCase(name);
    const answers = readNpy(join(golden.folder, `${kind}.npy`));
    const classes = answers.dims[1]!;
    const model = networkOf(join(golden.folder, `${kind}.tflite`));
    const options = { low: golden.low, high: golden.high, ...GOLDEN_MAPS["r-lrp"] };
    const explained = await explainFrames(model, golden.frames, golden.shape, options);
    explained.forEach((frame, n) => {
      const row = answers.data.subarray(n * classes, (n + 1) * classes);
      expect(relativeError(frame.probabilities, row), `frame ${n}`).toBeLessThan(probabilities / Math.max(...row));
      expect(frame.target).toBe(top(row));
      expect(correlation(frame.relevance, golden.maps.get("r-lrp")![n]!), `frame ${n}`).toBeGreaterThan(maps);
    });
  });
});
