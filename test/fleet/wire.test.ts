import fc from "fast-check";
import { headers } from "nats";
import { describe, expect, it } from "vitest";
import type { Explanation } from "../../src/explain/explanation.js";
import {
  answerBody,
  explainedReport,
  readAnswer,
  readReport,
  readRequest,
  requestHeaders,
  type WorkRequest,
} from "../../src/fleet/wire.js";

const REQUEST: WorkRequest = {
  id: "line-1-belt-1700000000000-7-explain",
  run: "R1",
  live: true,
  ageMs: 12.5,
  classifyOnly: false,
  scale: 0.002,
  interest: { left: 0.1, right: 0.9, top: -0.2, bottom: 1 },
};
const MODEL = { labels: ["ok", "scratch"], inputWidth: 3, inputHeight: 2 };
const ASKED = { classifyOnly: false, interest: REQUEST.interest };
const EXPLANATION: Explanation = {
  top: [
    { index: 1, label: "scratch", probability: 0.75 },
    { index: 0, label: "ok", probability: 0.25 },
  ],
  target: { index: 1, label: "scratch", probability: 0.75, logit: 1 / 3 },
  relevance: {
    method: "r-lrp-graded",
    positive: 2 / 3,
    negative: -1 / 3,
    concentration: 0.4,
    peakShare: 0.1,
    border: 0.2,
    inside: 0.9,
    insideMask: undefined,
    density: [0.5, 0.5],
    centroid: [1.5, 0.5],
    grid: { rows: 1, columns: 2, values: [0.1, -0.2] },
    regions: [{ x: 0, y: 0, width: 1, height: 1, share: 0.3 }],
    scale: 0.002,
    peak: 0.0019,
    heatmap: Uint8Array.of(128, 255, 1, 130, 127, 0),
  },
};
const packed = (explanation: Explanation): Uint8Array => {
  const { report, heatmap } = explainedReport("a", "onnxruntime-cpu", explanation);
  return answerBody(report, heatmap);
};

describe("what is asked of a frame", () => {
  it("comes as it was sent", () => {
    expect(readRequest(requestHeaders(REQUEST, "jpeg"))).toEqual({ request: REQUEST, type: "jpeg" });
    const { interest: _, ...plain } = REQUEST;
    expect(readRequest(requestHeaders(plain, "raw"))).toEqual({ request: plain, type: "raw" });
  });

  it.each<[string, Record<string, string>]>([
    ["nothing", {}],
    ["another type of content", { "Content-Type": "image/svg+xml", "Explain-Request": JSON.stringify(REQUEST) }],
    ["no JSON", { "Content-Type": "image/jpeg", "Explain-Request": "{" }],
    ["a key too many", { "Content-Type": "image/jpeg", "Explain-Request": JSON.stringify({ ...REQUEST, x: 1 }) }],
    [
      "a run that is more than one token",
      { "Content-Type": "image/jpeg", "Explain-Request": JSON.stringify({ ...REQUEST, run: "a.b" }) },
    ],
    [
      "an id that is no header",
      { "Content-Type": "image/jpeg", "Explain-Request": JSON.stringify({ ...REQUEST, id: "a b" }) },
    ],
    [
      "an endless text",
      { "Content-Type": "image/jpeg", "Explain-Request": JSON.stringify(REQUEST).replace("{", `{${" ".repeat(2000)}`) },
    ],
  ])("is none with %s", (_, fields) => {
    const given = headers();
    for (const [name, value] of Object.entries(fields)) given.set(name, value);
    expect(readRequest(given)).toBeUndefined();
  });
});

describe("an answer", () => {
  it("comes to the last bit as the worker found it, and says what ran it", () => {
    const answer = readAnswer(readReport(packed(EXPLANATION))!, MODEL, ASKED);
    expect(answer).toEqual({ kind: "explained", explanation: { ...EXPLANATION, engine: "onnxruntime-cpu" } });
  });

  it("of a frame that was only classified has no map", () => {
    const classified = { ...EXPLANATION, relevance: null };
    const answer = readAnswer(readReport(packed(classified))!, MODEL, { classifyOnly: true });
    expect(answer).toEqual({ kind: "explained", explanation: { ...classified, engine: "onnxruntime-cpu" } });
  });

  it("says how much of the heatmap's relevance lies within a mask that the reader knows", () => {
    // Levels 128, 255, 1, 130, 127, 0 are shares of 0, 127, 127, 2, 1, 128.
    const mask = Uint8Array.of(1, 1, 0, 0, 1, 0);
    const answer = readAnswer(readReport(packed(EXPLANATION))!, MODEL, { ...ASKED, mask });
    expect(answer).toMatchObject({ explanation: { relevance: { insideMask: 128 / 385 } } });
  });

  it("has the labels of the reader's own model, whatever another would call them", () => {
    const lying = { ...EXPLANATION, target: { ...EXPLANATION.target, label: "fine" } };
    const answer = readAnswer(readReport(packed(lying))!, MODEL, ASKED);
    expect(answer).toMatchObject({ explanation: { target: { label: "scratch" } } });
  });

  it("is refused where it cannot be one to what was asked", () => {
    const read =
      (explanation: Explanation, asked: { classifyOnly: boolean }, model = MODEL) =>
      () =>
        readAnswer(readReport(packed(explanation))!, model, asked);
    expect(read(EXPLANATION, { classifyOnly: true })).toThrow(/is none to what was asked/);
    expect(read({ ...EXPLANATION, relevance: null }, ASKED)).toThrow(/is none to what was asked/);
    expect(read(EXPLANATION, ASKED, { ...MODEL, inputWidth: 4 })).toThrow(/is none to what was asked/);
  });

  it("is none where it holds a number that is none, and the worker does not send such a one", () => {
    const bad = { ...EXPLANATION, target: { ...EXPLANATION.target, logit: Number.NaN } };
    expect(() => packed(bad)).toThrow();
    const text = JSON.stringify({ kind: "failed", id: "a", sentence: 7 });
    expect(readReport(Buffer.concat([Buffer.from([text.length, 0, 0, 0]), Buffer.from(text)]))).toBeUndefined();
  });

  it("may be anything at all: it is read or it is none, and nothing is thrown", () => {
    const whole = packed(EXPLANATION);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        readReport(bytes);
      }),
    );
    for (let length = 0; length < whole.length - 6; length++)
      expect(readReport(whole.subarray(0, length)), `${length} bytes`).toBeUndefined();
    const long = Buffer.from(whole);
    long.writeUInt32LE(0xffffffff, 0);
    expect(readReport(long)).toBeUndefined();
  });
});
