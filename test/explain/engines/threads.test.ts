import { beforeAll, describe, expect, it } from "vitest";
import { explainNoise } from "./explained.js";
import { requireNative } from "./run.js";

beforeAll(requireNative);

describe("two threads of the native binding at once", () => {
  it("explain a batch as onnxruntime does", async () => {
    const [ours, theirs] = [await explainNoise("tfjs"), await explainNoise("onnxruntime")];
    expect(ours.engine).toMatch(/^tfjs-native-/);
    expect(ours.notes).toEqual([expect.stringContaining("threads 2 has no effect there")]);
    expect(theirs.notes).toEqual([]);
    ours.explanations.forEach((got, n) => {
      const expected = theirs.explanations[n]!;
      expect(got.target.index).toBe(expected.target.index);
      expect(got.target.probability).toBeCloseTo(expected.target.probability, 4);
      got.relevance!.grid.values.forEach((v, k) => {
        expect(v).toBeCloseTo(expected.relevance!.grid.values[k]!, 4);
      });
    });
  });

  it("are not spoken of where no number of threads was given", async () => {
    expect((await explainNoise("tfjs", { threads: 0 })).notes).toEqual([]);
  });
});
