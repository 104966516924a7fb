import { describe, expect, it } from "vitest";
import { METHOD_NAMES } from "../../src/explain/method-names.js";
import { completed, DEFAULT_METHOD } from "../../src/explain/options.js";

describe("start and input rule", () => {
  it("are the method's own where nobody gives them", () => {
    const own = METHOD_NAMES.map((method) => completed({ method, target: "top" }));
    for (const { method, inputRule, start } of own)
      expect([inputRule, start], method).toEqual(
        /graded|local/.test(method) ? ["box", "rivals"] : ["bounded", "one-hot"],
      );
  });

  it("are what is given, each by itself", () => {
    expect(completed({ ...DEFAULT_METHOD, start: "contrast" })).toMatchObject({ inputRule: "box", start: "contrast" });
    expect(completed({ ...DEFAULT_METHOD, inputRule: "flat" })).toMatchObject({ inputRule: "flat", start: "rivals" });
  });

  it("belong to r-lrp-graded by default", () => {
    expect(completed(DEFAULT_METHOD)).toEqual({
      ...{ method: "r-lrp-graded", inputRule: "box", start: "rivals", target: "top" },
    });
  });
});
