import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import type { ExplainInput, Explanation } from "../../../src/explain/explanation.js";
import { DEFAULT_METHOD } from "../../../src/explain/options.js";
import { createExplainer } from "../../../src/explain/runtime/explainer.js";
import type { ExplainerOptions } from "../../../src/explain/runtime/explainer-options.js";
import { noise } from "../random/writer.js";

const MODEL = fileURLToPath(new URL("../../../models/inspection-cnn", import.meta.url));
const SIZE = 96;

/** A picture of noise of the model's input size. */
function frame(seed: number): ExplainInput {
  const random = noise(seed);
  const memory = new SharedArrayBuffer(SIZE * SIZE * 3);
  new Uint8Array(memory).set(Array.from({ length: SIZE * SIZE * 3 }, () => Math.round(127 * (random() + 1))));
  return { memory, offset: 0, stride: SIZE * 3, scale: 0, classifyOnly: false };
}

export interface Explained {
  engine: string;
  skipped: readonly string[];
  notes: readonly string[];
  explanations: Explanation[];
}

/** Four pictures of noise, explained by an explainer of two threads that is closed again. */
export async function explainNoise(engine: string, more: Partial<ExplainerOptions> = {}): Promise<Explained> {
  const explainer = await createExplainer({
    ...DEFAULT_METHOD,
    model: MODEL,
    engine,
    device: "cpu",
    threads: 2,
    top: 2,
    grid: { rows: 4, columns: 4 },
    blur: 1,
    ...more,
  });
  try {
    return {
      engine: explainer.engine,
      skipped: explainer.skipped ?? [],
      notes: explainer.notes ?? [],
      explanations: await explainer.explain([1, 2, 3, 4].map(frame)),
    };
  } finally {
    await explainer.close();
  }
}

/** Class, probability and grid of each picture, to four decimals. */
export function expectAlike(ours: Explained, theirs: Explained): void {
  ours.explanations.forEach((got, n) => {
    const expected = theirs.explanations[n]!;
    expect(got.target.index).toBe(expected.target.index);
    expect(got.target.probability).toBeCloseTo(expected.target.probability, 4);
    got.relevance!.grid.values.forEach((v, k) => {
      expect(v).toBeCloseTo(expected.relevance!.grid.values[k]!, 4);
    });
  });
}
