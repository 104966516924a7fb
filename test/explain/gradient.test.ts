import { describe, expect, it } from "vitest";
import { explainFrames } from "./run.js";
import { runForward } from "./twin/forward.js";
import { goldenCase, goldenNames } from "./twin/golden.js";
import { readOnnx } from "./twin/onnx-reader.js";
import { structureOf } from "./twin/structure.js";
import { tensor } from "./twin/tensor.js";

const STEP = 1e-5;
const PIXELS = 12;

/** The slope of one score along one pixel, by the twin's forward pass in float64 a step to either side. */
function slope(
  model: ReturnType<typeof readOnnx>,
  frame: Float64Array,
  shape: readonly number[],
  pixel: number,
  target: number,
) {
  const score = (by: number): number => {
    const run = runForward(
      model,
      tensor(
        shape,
        frame.map((v, i) => (i === pixel ? v + by : v)),
      ),
    );
    return run.values.get(structureOf(run).logits)!.data[target]!;
  };
  return (score(STEP) - score(-STEP)) / (2 * STEP);
}

describe("gradient × input is what finite differences of the float64 twin say", () => {
  // Ties have no one gradient, and the dead network none.
  it.each(goldenNames().filter((n) => n !== "max-pool-ties" && n !== "dead"))("of %s", async (name) => {
    const golden = goldenCase(name);
    const [frame] = golden.frames as [Float64Array];
    const options = { low: golden.low, high: golden.high, method: "gradient-x-input" as const };
    const [{ relevance, target }] = (await explainFrames(golden.model, [frame], golden.shape, options)) as [
      Awaited<ReturnType<typeof explainFrames>>[number],
    ];
    const model = readOnnx(golden.model);
    const largest = Math.max(...relevance.map(Math.abs));
    expect(largest).toBeGreaterThan(0);
    for (let k = 0; k < PIXELS; k++) {
      const pixel = Math.floor(((k + 0.5) * frame.length) / PIXELS);
      const expected = slope(model, frame, golden.shape, pixel, target) * frame[pixel]!;
      expect(Math.abs(relevance[pixel]! - expected) / largest, `pixel ${pixel}`).toBeLessThan(1e-3);
    }
  });
});
