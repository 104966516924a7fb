import { expect, it } from "vitest";
import type { ExplainInput, Explanation } from "../../../src/explain/explanation.js";
import { explainEach } from "../../../src/explain/runtime/explain-each.js";

const inputs = Array.from({ length: 3 }, (_, scale): ExplainInput => {
  return { memory: new SharedArrayBuffer(1), offset: 0, stride: 1, classifyOnly: false, scale };
});
const explanation = ({ scale }: ExplainInput): Explanation => {
  const top = { index: scale, label: `${scale}`, probability: 1 };
  return { top: [top], target: { ...top, logit: 1 }, relevance: null };
};

it("a batch that is explained is explained once", async () => {
  const batches: number[] = [];
  const each = explainEach(async (batch) => {
    batches.push(batch.length);
    return batch.map(explanation);
  });
  expect(await each(inputs)).toEqual(inputs.map(explanation));
  expect(batches).toEqual([3]);
});

it("of a batch that fails each frame is tried alone; what fails then is an error in its place, whatever was thrown", async () => {
  const tried: number[][] = [];
  const each = explainEach(async (batch) => {
    tried.push(batch.map(({ scale }) => scale));
    if (batch.some(({ scale }) => scale === 1)) throw "no error at all";
    return batch.map(explanation);
  });
  expect(await each(inputs)).toEqual([explanation(inputs[0]!), new Error("no error at all"), explanation(inputs[2]!)]);
  expect(tried).toEqual([[0, 1, 2], [0], [1], [2]]);
  expect(await each([inputs[1]!])).toEqual([new Error("no error at all")]);
});
