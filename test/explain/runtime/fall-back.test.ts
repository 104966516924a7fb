import { describe, expect, it } from "vitest";
import { VideoExplainerError } from "../../../src/errors.js";
import type { ExplainInput, Explanation } from "../../../src/explain/explanation.js";
import { fallingBack } from "../../../src/explain/runtime/fall-back.js";

const BATCH: ExplainInput[] = [];
const answer = (label: string): Explanation[] => [
  { top: [], target: { index: 0, label, probability: 1, logit: 1 }, relevance: null },
];

/** A device that fails on these runs, counted from 1, with this error. */
function device(failing: readonly number[], error: Error = new Error("lost\nat somewhere")) {
  let runs = 0;
  return async () => {
    runs += 1;
    if (failing.includes(runs)) throw error;
    return answer("device");
  };
}
const processor = async () => ({ engine: "onnxruntime-cpu", explain: async () => answer("processor") });

describe("a device that fails", () => {
  it("once is tried again, and kept", async () => {
    const said: string[] = [];
    const explain = fallingBack(device([2]), { device: "cuda", instead: processor, lost: (s) => said.push(s) });
    for (let k = 0; k < 3; k++) expect(await explain(BATCH)).toEqual(answer("device"));
    expect(said).toEqual([]);
  });
  it("twice in a row is left for the processor, which explains that batch and all others", async () => {
    const said: string[] = [];
    const explain = fallingBack(device([2, 3]), { device: "cuda", instead: processor, lost: (s) => said.push(s) });
    expect(await explain(BATCH)).toEqual(answer("device"));
    for (let k = 0; k < 3; k++) expect(await explain(BATCH)).toEqual(answer("processor"));
    expect(said).toEqual(["the device cuda has failed (lost): frames are explained on onnxruntime-cpu from now on"]);
  });
  it("and was asked for by name fails each batch from then on, and is not run again", async () => {
    const said: string[] = [];
    const explain = fallingBack(device([1, 2]), { device: "cuda", lost: (s) => said.push(s) });
    for (let k = 0; k < 3; k++)
      await expect(explain(BATCH)).rejects.toMatchObject({
        code: "engine-died",
        message: "the device cuda has failed (lost); restart the worker",
      });
    expect(said).toEqual(["the device cuda has failed (lost)"]);
  });
  it("and has nothing in its place fails each batch from then on, and says so", async () => {
    const said: [string, string?][] = [];
    const instead = () => Promise.reject(new Error("the model is gone\nsomewhere"));
    const explain = fallingBack(device([1, 2]), { device: "cuda", instead, lost: (...words) => said.push(words) });
    const why = "the device cuda has failed (lost), and nothing explains instead (the model is gone)";
    for (let k = 0; k < 3; k++)
      await expect(explain(BATCH)).rejects.toMatchObject({
        code: "engine-died",
        message: `${why}; restart the worker`,
      });
    expect(said).toEqual([[why]]);
  });
  it("because of a frame is not left", async () => {
    const error = new VideoExplainerError("not-finite", "the network's total is NaN");
    const explain = fallingBack(device([1, 2], error), { device: "cuda", instead: processor, lost: expect.fail });
    await expect(explain(BATCH)).rejects.toThrow("is NaN");
    await expect(explain(BATCH)).rejects.toThrow("is NaN");
    expect(await explain(BATCH)).toEqual(answer("device"));
  });
});
