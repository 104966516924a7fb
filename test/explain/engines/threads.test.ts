import { beforeAll, describe, expect, it } from "vitest";
import { expectAlike, explainNoise } from "./explained.js";
import { requireNative } from "./run.js";

beforeAll(requireNative);

describe("two threads of the native binding at once", () => {
  it("explain a batch as onnxruntime does", async () => {
    const [ours, theirs] = [await explainNoise("tfjs"), await explainNoise("onnxruntime")];
    expect(ours.engine).toMatch(/^tfjs-native-/);
    expect(ours.notes).toEqual([expect.stringContaining("threads 2 has no effect there")]);
    expect(theirs.notes).toEqual([]);
    expectAlike(ours, theirs);
  });

  it("are not spoken of where no number of threads was given", async () => {
    expect((await explainNoise("tfjs", { threads: 0 })).notes).toEqual([]);
  });
});
