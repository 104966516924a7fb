import fc from "fast-check";
import { expect, it } from "vitest";
import { ScaleTracker } from "../../src/station/scale.js";

const peak = fc.double({ min: 1e-9, max: 1, noNaN: true });
const after = (peaks: readonly number[]): ScaleTracker => {
  const tracker = new ScaleTracker();
  for (const p of peaks) tracker.add(p);
  return tracker;
};

it("is zero before the first frame and takes the first peak as it is", () => {
  expect(after([]).scale).toBe(0);
  fc.assert(fc.property(peak, (first) => after([first]).scale === first));
});

it("stays within the peaks it has seen", () => {
  fc.assert(
    fc.property(fc.array(peak, { minLength: 1, maxLength: 100 }), (peaks) => {
      const { scale } = after(peaks);
      expect(scale).toBeGreaterThanOrEqual(Math.min(...peaks) * (1 - 1e-12));
      expect(scale).toBeLessThanOrEqual(Math.max(...peaks) * (1 + 1e-12));
    }),
  );
});

it("moves a twentieth of the way to a new peak, so that one frame changes no brightness that can be seen", () => {
  fc.assert(
    fc.property(peak, peak, (first, second) => {
      expect(after([first, second]).scale).toBeCloseTo(first + (second - first) / 20, 12);
    }),
  );
});

it("comes to a new level within a hundred frames", () => {
  const level = after([0.1, ...Array.from({ length: 100 }, () => 0.001)]).scale;
  expect(level).toBeGreaterThan(0.001);
  expect(level).toBeLessThan(0.002);
});

it("does not count frames through which nothing flows, nor what is no number", () => {
  fc.assert(
    fc.property(peak, fc.constantFrom(0, -1, Number.NaN, Number.NEGATIVE_INFINITY), (first, bad) => {
      expect(after([bad, first, bad]).scale).toBe(first);
    }),
  );
});
