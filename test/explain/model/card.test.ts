import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { ModelError } from "../../../src/errors.js";
import { parseCard } from "../../../src/explain/model/card.js";

const refusal = (text: string): string => {
  try {
    parseCard(text, "model.yaml");
  } catch (error) {
    expect(error).toBeInstanceOf(ModelError);
    return (error as Error).message;
  }
  throw new Error("the card was accepted");
};

describe("a model card", () => {
  it("may be empty: everything has a default or is asked for later", () => {
    expect(parseCard("", "model.yaml")).toEqual({ input: {} });
    expect(parseCard("# nothing yet\n", "model.yaml")).toEqual(parseCard("", "model.yaml"));
  });

  it("gives one value for all channels, or one a channel", () => {
    expect(parseCard("input: {mean: 127, std: [1, 2, 3]}", "model.yaml").input).toMatchObject({
      mean: [127],
      std: [1, 2, 3],
    });
  });

  it.each([
    ["name: x\nlables: labels.txt\n", "model.yaml:2:1: lables is not a known key of a model card"],
    ["input:\n  width: 5\n  hieght: 6\n", "model.yaml:3:3: input.hieght is not a known key of a model card"],
    ["input:\n  width: 0\n", "model.yaml:2:3: input.width is wrong: "],
    ["input: {width: 5.5}\n", "model.yaml:1:9: input.width is wrong: "],
    ["input:\n  std: [1, 0, 1]\n", "model.yaml:2:3: input.std is wrong: must be greater than 0"],
    ["input:\n  fit: squash\n", "model.yaml:2:3: input.fit is wrong: "],
    ["input:\n  mean: [1, .nan, 3]\n", "model.yaml:2:"],
    ["input:\n  mean: .inf\n", "model.yaml:2:3: input.mean is wrong: "],
    ["labels: []\n", "model.yaml:1:1: labels is wrong: "],
    ["just text\n", "model.yaml: the card is wrong: "],
    ["- a\n- b\n", "model.yaml: the card is wrong: "],
    ["name: [unclosed\n", "model.yaml:"],
    ["a: &a [1]\nb: *nowhere\n", "model.yaml:"],
  ])("%j is refused at its place", (text, expected) => {
    const message = refusal(text);
    expect(message.startsWith(expected)).toBe(true);
    expect(message).toMatch(/^[^\n]+[^.]$/);
  });

  it("that explodes by aliases is refused", () => {
    const lines = ["a0: &a0 [x, x]"];
    for (let k = 1; k < 30; k++) lines.push(`a${k}: &a${k} [*a${k - 1}, *a${k - 1}]`);
    expect(refusal(lines.join("\n"))).toMatch(/aliases/);
  });

  const text = fc.string({ minLength: 1, maxLength: 12 }).filter((s) => s.trim() !== "");
  const perChannel = (least: number) => {
    const value = fc.double({ min: least, max: 300, noNaN: true });
    return fc.oneof(value, fc.array(value, { minLength: 1, maxLength: 3 }));
  };
  const card = fc.record(
    {
      name: text,
      source: text,
      labels: fc.oneof(text, fc.array(text, { minLength: 1, maxLength: 4 })),
      input: fc.record(
        {
          width: fc.integer({ min: 1, max: 4096 }),
          height: fc.integer({ min: 1, max: 4096 }),
          mean: perChannel(-300),
          std: perChannel(0.001),
          channelOrder: fc.constantFrom("RGB", "BGR"),
          layout: fc.constantFrom("NCHW", "NHWC"),
          fit: fc.constantFrom("stretch", "crop", "letterbox"),
          resize: fc.oneof(fc.integer({ min: 1, max: 4096 }), fc.constant({ width: 320, height: 240 })),
          cropRounding: fc.constantFrom("even", "down"),
          interpolation: fc.constantFrom("nearest", "bilinear", "bicubic", "lanczos"),
          antialias: fc.boolean(),
        },
        { requiredKeys: [], noNullPrototype: true },
      ),
    },
    { requiredKeys: [], noNullPrototype: true },
  );

  it("comes back as it was written", () => {
    fc.assert(
      fc.property(card, (given) => {
        const list = (v: number | number[] | undefined) => (typeof v === "number" ? [v] : v);
        const { resize } = given.input ?? {};
        const square = typeof resize === "number" ? { width: resize, height: resize } : resize;
        const input = { ...given.input, mean: list(given.input?.mean), std: list(given.input?.std), resize: square };
        expect(parseCard(stringify(given), "model.yaml")).toEqual({
          ...given,
          input,
        });
      }),
    );
  });

  it("that is no YAML is refused in a sentence of ours, which shows nothing of the text", () => {
    for (const [text, fault] of [
      ["name: |.", "1:8: the model card is not valid YAML: the text is not understood here"],
      ["name: @x.", "1:7: the model card is not valid YAML: a value begins with a reserved character"],
      ['name: "a', '1:9: the model card is not valid YAML: a closing " is missing'],
      [
        "name: a: b",
        "1:7: the model card is not valid YAML: a mapping or list begins where a single value is expected",
      ],
    ] as const)
      expect(() => parseCard(text, "model.yaml")).toThrow(`model.yaml:${fault}`);
  });

  it("of any text is read or refused in one sentence", () => {
    const word = fc.constantFrom(
      "input",
      "labels",
      "mean",
      ": ",
      "\n",
      "  ",
      "- ",
      "[",
      "]",
      "{",
      "}",
      "1",
      "&a",
      "*a",
      "!!x",
      "'",
      "|",
    );
    const any = fc.oneof(
      fc.string(),
      fc.array(fc.oneof(word, fc.string({ maxLength: 3 })), { maxLength: 20 }).map((w) => w.join("")),
    );
    fc.assert(
      fc.property(any, (given) => {
        try {
          parseCard(given, "model.yaml");
        } catch (error) {
          if (!(error instanceof ModelError)) throw error;
          expect(error.message).toMatch(/^model\.yaml[: ].*[^.]$/s);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
