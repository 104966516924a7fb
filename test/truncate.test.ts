import fc from "fast-check";
import { expect, test } from "vitest";
import { errorLines } from "../src/cli/errors.js";
import { ConfigError, MAX_SENTENCE_CHARACTERS, ModelError, VideoExplainerError } from "../src/errors.js";
import { createLogger } from "../src/log.js";
import { learnSecrets, MASK } from "../src/redact.js";
import { truncateMiddle } from "../src/truncate.js";

const NAME = "x".repeat(5_000_000);

test("a text without its middle keeps its begin and its end, and is no longer than it may be", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), fc.integer({ min: 20, max: 100 }), (text, most) => {
      const short = truncateMiddle(text, most);
      expect(short.length).toBeLessThanOrEqual(most);
      if (text.length <= most) expect(short).toBe(text);
      else expect([text.startsWith(short.slice(0, 9)), text.endsWith(short.slice(-5))]).toEqual([true, true]);
    }),
  );
});

test.each([
  ["of a model", new ModelError("model-format", `operator ${NAME}\u0000 is not known; export it again.`)],
  ["of a program", new VideoExplainerError("engine-died", `the engine said ${NAME}; export it again.`)],
  ["that nobody expected", new Error(`${NAME}; export it again.`)],
  ["of a configuration", new ConfigError([{ path: "", message: `c.yaml:1:1: ${NAME} is wrong; export it again.` }])],
])("an error %s with a name of megabytes is a sentence that ends with what to do", (_name, error) => {
  const [line = ""] = errorLines(error, false);
  expect(line.length).toBeLessThan(MAX_SENTENCE_CHARACTERS + 100);
  expect(line).toMatch(/export it again\.(?:; run again with --verbose for details)?$/);
});

test("with --verbose the stack of such an error is bounded as well, and so is a line of the log", () => {
  expect(errorLines(new Error(NAME), true).join("\n").length).toBeLessThan(200_000);
  let written = "";
  const log = createLogger({ level: "debug", output: { write: (line) => (written += line) } });
  log.error(`no good: ${NAME}`, { name: NAME, error: new Error(NAME) });
  expect(written.length).toBeLessThan(100_000);
});

test("what is cut from a sentence leaves no half of a secret behind: they are masked before it is cut", () => {
  const address = "rtsp://me:geheim-4711-geheim@cam/1";
  learnSecrets(address);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 * MAX_SENTENCE_CHARACTERS }), (before) => {
      const long = `${"x ".repeat(before)}${address} and ${"y ".repeat(MAX_SENTENCE_CHARACTERS)}`;
      const { message } = new VideoExplainerError("source", long);
      expect(message).not.toMatch(/gehei|4711/);
      expect(new ConfigError([{ path: "", message: long }]).message).not.toMatch(/gehei|4711/);
    }),
  );
  expect(new VideoExplainerError("source", `${address} ${"y".repeat(9000)}`).message).toContain(MASK);
});
