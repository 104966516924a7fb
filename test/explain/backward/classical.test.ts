import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CLASSICAL_NAMES, type MethodName } from "../../../src/explain/method-names.js";
import { explainFrames } from "../run.js";
import { goldenCase, goldenNames, relativeError } from "../twin/golden.js";
import { parseNpy } from "../twin/npy.js";

const TOLERANCE = 1e-3;
const cases = goldenNames().filter((name) => existsSync(join(goldenCase(name).folder, "epsilon.npy")));

/**
 * zennit folds the batch norm of this case, of ε = 0.01, and leaves that ε in the emptied norm: rules without an entry for
 * norms then divide by √1.01 at its gradient, and what later layers see is smaller by as much. Here a norm is folded whole.
 */
const LEFT_OVER: Record<string, number> = { "batch-norm-after-conv": Math.sqrt(1.01) };
const PASSES_NORMS = new Set<MethodName>(["epsilon-plus-flat", "epsilon-gamma-box", "epsilon-alpha2-beta1-flat"]);

function correlation(a: readonly number[], b: readonly number[]): number {
  const centred = (v: readonly number[]) => {
    const mean = v.reduce((x, y) => x + y, 0) / v.length;
    return v.map((x) => x - mean);
  };
  const [x, y] = [centred(a), centred(b)];
  const dot = (u: readonly number[], v: readonly number[]) => u.reduce((sum, ui, i) => sum + ui * v[i]!, 0);
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}

it("is compared on every case that holds maps of it", () => {
  expect(cases.length).toBeGreaterThanOrEqual(14);
});

describe("a classical method gives the numbers of zennit 0.5.1 in float64", () => {
  it.each(cases.flatMap((name) => CLASSICAL_NAMES.map((method) => [name, method] as const)))(
    "on %s by %s",
    async (name, method) => {
      const golden = goldenCase(name);
      const data = parseNpy(readFileSync(join(golden.folder, `${method}.npy`))).data as Float32Array;
      const options = { low: golden.low, high: golden.high, method };
      const explained = await explainFrames(golden.model, golden.frames, golden.shape, options);
      const scale = PASSES_NORMS.has(method) ? 1 : (LEFT_OVER[name] ?? 1);
      explained.forEach(({ relevance }, n) => {
        const theirs = Array.from(data.subarray(n * relevance.length, (n + 1) * relevance.length), (v) => v * scale);
        if (method !== "lrp-0") {
          const tolerance = name in LEFT_OVER ? 3 * TOLERANCE : TOLERANCE;
          expect(relativeError(relevance, theirs), `frame ${n}`).toBeLessThan(tolerance);
          return;
        }
        // It divides by whatever is left, 0/0 among it: no number in theirs, nothing in ours. Judged by correlation.
        expect(relevance.every(Number.isFinite)).toBe(true);
        const known = theirs.flatMap((v, i) => (Number.isNaN(v) ? [] : [i]));
        const pick = (v: ArrayLike<number>) => known.map((i) => v[i]!);
        expect(correlation(pick(relevance), pick(theirs)), `frame ${n}`).toBeGreaterThan(0.999);
      });
    },
  );
});

describe("classical methods cross every kind of layer", () => {
  it.each(goldenNames())("of %s with finite numbers", async (name) => {
    const golden = goldenCase(name);
    for (const method of ["epsilon-plus-flat", "epsilon-gamma-box"] as const) {
      const options = { low: golden.low, high: golden.high, method };
      const explained = await explainFrames(golden.model, golden.frames, golden.shape, options);
      for (const { relevance } of explained) {
        expect(relevance.every(Number.isFinite)).toBe(true);
        if (name !== "dead") expect(relevance.some((v) => v !== 0)).toBe(true);
      }
    }
  });
});
