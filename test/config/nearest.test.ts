import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { editDistance, nearest } from "../../src/config/nearest.js";

describe("the nearest known word", () => {
  it("forgives swaps, losses and additions of letters, letter case, - and _", () => {
    const known = ["policy", "maxBatch", "url", "every-frame"];
    expect(nearest("polcy", known)).toBe("policy");
    expect(nearest("pollicy", known)).toBe("policy");
    expect(nearest("ulr", known)).toBe("url");
    expect(nearest("max_batch", known)).toBe("maxBatch");
    expect(nearest("everyframe", known)).toBe("every-frame");
  });

  it("is none when nothing is near", () => {
    expect(nearest("banana", ["policy", "url"])).toBeUndefined();
    expect(nearest("x".repeat(100_000), ["policy"])).toBeUndefined();
  });

  it("measures a distance: zero for equals alone, the same both ways, at most the longer length", () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance === 0).toBe(a === b);
        expect(editDistance(b, a)).toBe(distance);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
      }),
    );
  });
});
