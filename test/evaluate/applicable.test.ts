import { describe, expect, it } from "vitest";
import { applicableMetrics } from "../../src/evaluate/applicable.js";

const masked = { index: 0, mask: "mask.png" };
const bare = { index: 1 };

describe("metrics of images", () => {
  it("are those that there is what they need for, with a sentence about the others", () => {
    const images = [{ targets: [masked] }, { targets: [masked, bare] }];
    const { metrics, notes } = applicableMetrics(["mass", "own", "top"], images, false);
    expect(metrics).toEqual(["mass", "top"]);
    expect(notes).toEqual([expect.stringMatching(/^own: left out, as no image has several classes with a mask each/)]);
  });

  it("are refused where none is left, unless maps are wanted", () => {
    const two = [{ targets: [masked, masked] }];
    expect(() => applicableMetrics(["mass", "top"], two, false)).toThrow(
      /^nothing is left to measure; top: left out, as no image has one class alone; mass: left out, as no image of one/,
    );
    expect(applicableMetrics(["mass", "top"], two, true).metrics).toEqual([]);
    expect(applicableMetrics(["own"], two, false).metrics).toEqual(["own"]);
  });
});
