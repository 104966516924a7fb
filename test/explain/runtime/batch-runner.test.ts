import { expect, it } from "vitest";
import type { NumericTensor, Runner } from "../../../src/explain/engines/engine.js";
import type { ExplainInput, Explanation } from "../../../src/explain/explanation.js";
import { type BatchParts, batchRunner, framesPerRun } from "../../../src/explain/runtime/batch-runner.js";
import { gatherer } from "../../../src/explain/runtime/gather.js";

/** A picture of one pixel. */
const frame = (value: number, classifyOnly = false): ExplainInput => {
  const memory = new SharedArrayBuffer(3);
  new Uint8Array(memory).fill(value);
  return { memory, offset: 0, stride: 3, classifyOnly, scale: value / 10 };
};

/** A program that writes down what it was fed, and answers with its frames' first bytes. */
function recorder(name: string, runs: string[]): Pick<Runner, "run"> {
  return {
    run: async ({ frames, scale }) => {
      const values = [...(frames!.data as Uint8Array)].filter((_, k) => k % 3 === 0);
      const scales = scale ? ` at ${[...(scale.data as Float32Array)].map((v) => v.toFixed(1))}` : "";
      runs.push(`${name} ${values}${scales}`);
      return { values: { data: Uint8Array.from(values), dims: [values.length] } };
    },
  };
}

const decode = (
  { values }: Record<string, NumericTensor>,
  inputs: readonly { classifyOnly: boolean }[],
): Explanation[] =>
  [...(values!.data as Uint8Array)].map((value, n) => ({
    top: [],
    target: { index: value, label: "", probability: 1, logit: 0 },
    relevance: !inputs[n]!.classifyOnly ? ({ peak: value } as Explanation["relevance"]) : null,
  }));

function parts(runs: string[], more: Partial<BatchParts> = {}): BatchParts {
  return {
    explainer: recorder("explainer", runs),
    classifier: recorder("classifier", runs),
    gather: gatherer(1, 1),
    decode,
    framesPerRun: Number.POSITIVE_INFINITY,
    ...more,
  };
}
const seen = (explained: Explanation[]): string[] =>
  explained.map(({ target, relevance }) => `${target.index}${relevance ? ` ${relevance.peak}` : ""}`);

it("runs explained and classified frames apart, and gives results in the order of the inputs", async () => {
  const runs: string[] = [];
  const explained = await batchRunner(parts(runs))([frame(1), frame(2, true), frame(3), frame(4, true)]);
  expect(runs).toEqual(["explainer 1,3 at 0.1,0.3", "classifier 2,4"]);
  expect(seen(explained)).toEqual(["1 1", "2", "3 3", "4"]);
});

it("classifies by the explainer's program where there is no classifier, without relevance", async () => {
  const runs: string[] = [];
  const explain = batchRunner(parts(runs, { classifier: undefined }));
  expect(seen(await explain([frame(1, true), frame(2)]))).toEqual(["1", "2 2"]);
  expect(runs).toEqual(["explainer 2 at 0.2", "explainer 1 at 0.1"]);
});

it("runs no more frames at once than pays", async () => {
  const runs: string[] = [];
  const explain = batchRunner(parts(runs, { framesPerRun: 2 }));
  expect(seen(await explain([1, 2, 3, 4, 5].map((value) => frame(value))))).toEqual([
    "1 1",
    "2 2",
    "3 3",
    "4 4",
    "5 5",
  ]);
  expect(runs.map((run) => run.split(" ")[1])).toEqual(["1,2", "3,4", "5"]);
});

it("runs nothing for an empty batch", async () => {
  const runs: string[] = [];
  expect(await batchRunner(parts(runs))([])).toEqual([]);
  expect(runs).toEqual([]);
});

it("takes frames together while their activations fit the cache, one at least, and all of them on a card", () => {
  expect(framesPerRun("cpu", 1_000_000)).toBe(4);
  expect(framesPerRun("cpu", 1_500_000)).toBe(2);
  expect(framesPerRun("cpu", 50_000_000)).toBe(1);
  expect(framesPerRun("cuda", 50_000_000)).toBe(Number.POSITIVE_INFINITY);
});
