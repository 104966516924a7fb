import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type PythonValue, pythonLiteral } from "../../../src/explain/model/python-literal.js";

/** As Python's `repr` writes it. */
function repr(value: PythonValue): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") {
    const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
    const escaped = value
      .replaceAll("\\", "\\\\")
      .replaceAll("\n", "\\n")
      .replaceAll("\r", "\\r")
      .replaceAll("\t", "\\t");
    return `${quote}${quote === "'" ? escaped.replaceAll("'", "\\'") : escaped}${quote}`;
  }
  if (Array.isArray(value)) return `[${value.map(repr).join(", ")}]`;
  return `{${[...value].map(([key, v]) => `${/^\d+$/.test(key) ? key : repr(key)}: ${repr(v)}`).join(", ")}}`;
}

const { value } = fc.letrec<{ value: PythonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false),
    fc.integer(),
    fc.string({ unit: "grapheme" }),
    fc.array(tie("value"), { maxLength: 4 }),
    fc
      .array(fc.tuple(fc.oneof(fc.nat().map(String), fc.string({ minLength: 1 })), tie("value")), { maxLength: 4 })
      .map((entries) => new Map(entries)),
  ),
}));

describe("a literal of Python", () => {
  it("is read as it was written", () => {
    fc.assert(fc.property(value, (given) => void expect(pythonLiteral(repr(given))).toEqual(given)));
  });

  it.each<[string, PythonValue]>([
    [
      "{0: 'a', 1: \"it's\", 2: 'c \"c\"',}",
      new Map([
        ["0", "a"],
        ["1", "it's"],
        ["2", 'c "c"'],
      ]),
    ],
    ["(224, 224)", [224, 224]],
    ["(224)", 224],
    ["()", []],
    ["'one' \"two\"", "onetwo"],
    [String.raw`'\x41\u00e9\U0001F600\\ \q'`, "Aé😀\\ \\q"],
    ["-1.5e-3", -0.0015],
    [" [ 1_000 , .5 ] ", [1000, 0.5]],
  ])("%s", (text, expected) => {
    expect(pythonLiteral(text)).toEqual(expected);
  });

  it.each([
    "",
    "{",
    "[1",
    "[1 2]",
    "[,]",
    "{1}",
    "{[1]: 2}",
    "{1: 2 3: 4}",
    "'a",
    "'a\nb'",
    String.raw`'\x4'`,
    String.raw`'\UFFFFFFFF'`,
    "1 2",
    "1e",
    "--1",
    "open('x')",
    "__import__",
    "lambda: 1",
    "True]",
    "nan",
    "[".repeat(100),
    "[".repeat(40) + "]".repeat(40),
  ])("is none: %s", (text) => {
    expect(pythonLiteral(text)).toBeUndefined();
  });

  it("never throws, whatever the text", () => {
    const texts = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom(..."{}[]()',\":\\x1 ")).map((c) => c.join("")),
    );
    fc.assert(fc.property(texts, (text) => void expect(() => pythonLiteral(text)).not.toThrow()));
  });
});
