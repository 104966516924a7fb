import { describe, expect, it } from "vitest";
import { withTarget } from "../../../src/explain/model/target.js";

const model = { info: { name: "parts", labels: ["ok", "scratch", "stain", "stain"] } };

describe("the class to explain may be named", () => {
  it.each([
    ["top", "top"],
    [2, 2],
    ["scratch", 1],
  ] as const)("%s is %s", (target, expected) => {
    expect(withTarget({ method: "r-lrp", target }, model)).toEqual({ method: "r-lrp", target: expected });
  });

  it("not by what is no label", () => {
    expect(() => withTarget({ target: "Scratch" }, model)).toThrow(
      'target class "Scratch" is no label of parts; give one of its labels, or the index of a class',
    );
  });

  it("not by what several classes are called", () => {
    expect(() => withTarget({ target: "stain" }, model)).toThrow(
      'target class "stain" is the label of 2 classes of parts (2, 3); give the index of one',
    );
  });
});
