import { describe, expect, it } from "vitest";
import { GOLDEN_MAPS, goldenCase, goldenNames, relativeError } from "./golden.js";
import { readOnnx } from "./onnx-reader.js";
import { l1, twin } from "./twin.js";

/** The golden files hold float32: 2⁻²⁴ = 6e-8 of the largest value is their own rounding. */
const TOLERANCE = 1e-6;

describe("the twin agrees with the golden maps", () => {
  it.each(goldenNames())("%s", (name) => {
    const golden = goldenCase(name);
    const model = readOnnx(golden.model);
    // A single class has no others to contrast with.
    expect(golden.maps.size).toBe(name === "single-logit" ? 11 : 12);
    for (const [map, expected] of golden.maps)
      golden.frames.forEach((frame, k) => {
        const options = { low: golden.low, high: golden.high, ...GOLDEN_MAPS[map] };
        const result = twin(model, frame, golden.shape, options);
        expect(relativeError(result.logits, golden.logits[k]!), `${map} logits ${k}`).toBeLessThan(TOLERANCE);
        expect(relativeError(result.relevance, expected[k]!), `${map} frame ${k}`).toBeLessThan(TOLERANCE);
        if (options.target === undefined) expect(result.target).toBe(golden.target[k]);
        expect(result.flows).toBe(name !== "dead");
        expect(l1(result.relevance)).toBeCloseTo(name === "dead" ? 0 : 1, 12);
      });
  });
});
