import { describe, expect, it } from "vitest";
import { readMethods } from "../../src/evaluate/methods.js";
import { METHOD_NAMES } from "../../src/explain/method-names.js";

describe("methods as they are spelled", () => {
  it("have a start and an input rule where they say so, each once", () => {
    expect(readMethods("r-lrp:start=contrast:inputRule=flat, grad-cam,r-lrp,grad-cam")).toEqual([
      {
        name: "r-lrp:start=contrast:inputRule=flat",
        what: { method: "r-lrp", start: "contrast", inputRule: "flat" },
      },
      { name: "grad-cam", what: { baseline: "grad-cam" } },
      { name: "r-lrp", what: { method: "r-lrp" } },
    ]);
  });

  it("are all that the program has, by one name, with what they are compared with", () => {
    expect(readMethods("all").map(({ name }) => name)).toEqual([
      ...METHOD_NAMES,
      "integrated-gradients",
      "grad-cam",
      "random",
    ]);
  });

  it.each([
    ["gradcam", /method "gradcam" is not known; known are r-lrp-graded, /],
    ["r-lrp:start=middle", /"start=middle" of method "r-lrp:start=middle" is not known; give start= and one of rivals/],
    ["r-lrp:rule=box", /"rule=box" of method/],
    ["random:start=rivals", /method "random" has no options/],
    ["epsilon:inputRule=box", /method "epsilon" has a rule of its own for the picture/],
    ["", /method "" is not known/],
  ])("are refused in a sentence: %j", (text, sentence) => {
    expect(() => readMethods(text)).toThrow(sentence);
  });
});
