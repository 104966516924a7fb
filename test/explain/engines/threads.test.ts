import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { createExplainer, type ExplainerOptions } from "../../../src/explain/explainer.js";
import type { ExplainInput, Explanation } from "../../../src/explain/explanation.js";
import { DEFAULT_METHOD } from "../../../src/explain/options.js";
import { noise } from "../random/writer.js";
import { requireNative } from "./run.js";

const MODEL = fileURLToPath(new URL("../../../models/inspection-cnn", import.meta.url));
const SIZE = 96;

beforeAll(requireNative);

/** A slab whose picture is the model's input alone. */
function frame(seed: number): ExplainInput {
  const random = noise(seed);
  const area = { x: 0, y: 0, width: SIZE, height: SIZE };
  const memory = new SharedArrayBuffer(SIZE * SIZE * 3);
  new Uint8Array(memory).set(Array.from({ length: SIZE * SIZE * 3 }, () => Math.round(127 * (random() + 1))));
  const layout = {
    width: SIZE,
    height: 0,
    inputWidth: SIZE,
    inputHeight: SIZE,
    stride: SIZE * 3,
    placement: { rect: area, clip: area },
  };
  return { memory, layout, scale: 0, classifyOnly: false } as ExplainInput;
}

interface Explained {
  engine: string;
  notes: readonly string[];
  explanations: Explanation[];
}
async function explain(engine: string, threads = 2): Promise<Explained> {
  const options: ExplainerOptions = {
    ...DEFAULT_METHOD,
    model: MODEL,
    engine,
    device: "cpu",
    threads,
    top: 2,
    grid: { rows: 4, columns: 4 },
    blur: 1,
  };
  const explainer = await createExplainer(options);
  try {
    return {
      engine: explainer.engine,
      notes: explainer.notes ?? [],
      explanations: await explainer.explain([1, 2, 3, 4].map(frame)),
    };
  } finally {
    await explainer.close();
  }
}

describe("two threads of the native binding at once", () => {
  it("explain a batch as onnxruntime does", async () => {
    const [ours, theirs] = [await explain("tfjs"), await explain("onnxruntime")];
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
    expect((await explain("tfjs", 0)).notes).toEqual([]);
  });
});
