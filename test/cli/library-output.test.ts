import { afterEach, expect, it } from "vitest";
import { hearLibraries } from "../../src/cli/library-output.js";
import { learnSecrets } from "../../src/redact.js";

const { log, info, debug } = console;
afterEach(() => Object.assign(console, { log, info, debug }));

it("what a library writes to the console is heard as its first words, without a secret or half of one", () => {
  learnSecrets({ password: "geheim-4711-geheim" });
  const heard: string[] = [];
  hearLibraries((text) => heard.push(text));
  console.log("reader closed", new Error("with data"));
  console.info(`${"x".repeat(190)} geheim-4711-geheim`);
  console.debug(new Error("geheim-4711-geheim"));
  console.log("two\nlines");
  expect(heard).toEqual([
    "a library says: reader closed",
    `a library says: ${"x".repeat(190)} ***`,
    "a library says: object",
    "a library says: two",
  ]);
});
