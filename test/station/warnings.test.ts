import { describe, expect, it } from "vitest";
import type { Relevance } from "../../src/explain/explanation.js";
import { defaultWarnings } from "../../src/station/settings.js";
import { warningsOf } from "../../src/station/warnings.js";

const sound = { positive: 0.9, negative: -0.1, border: 0.1, peakShare: 0.2, inside: 0.8 };
const of = (more: Partial<Relevance>, isDrifting = false, limits = {}) =>
  warningsOf({ ...sound, ...more } as Relevance, { ...defaultWarnings(), ...limits }, isDrifting);

describe("a frame is warned of", () => {
  it("not at all where its relevance lies as it should", () => {
    expect(of({})).toEqual([]);
    expect(of({ inside: undefined })).toEqual([]);
  });

  it.each([
    ["no-relevance", { positive: 0, negative: 0, border: 0, peakShare: 0, inside: 0 }],
    ["border", { border: 0.51 }],
    ["few-pixels", { peakShare: 0.51 }],
    ["outside", { inside: 0.49 }],
  ] as const)("by %s", (warning, more) => {
    expect(of(more)).toEqual([warning]);
  });

  it("by drift where its source drifts, beside all else", () => {
    expect(of({ border: 0.6, inside: 0 }, true)).toEqual(["border", "outside", "drift"]);
  });

  it("never beyond a limit of 1", () => {
    const all = { border: 1, peakShare: 1, inside: 0 };
    expect(of(all)).toEqual(["border", "few-pixels", "outside"]);
    expect(of(all, false, { border: 1, fewPixels: 1, outside: 1 })).toEqual([]);
  });
});
