import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { configurationPage } from "../../scripts/configuration-page.mjs";
import { configJsonSchema } from "../../src/config/json-schema.js";

const page = configurationPage(configJsonSchema());

it("docs/configuration.md is current (else: npm run build && node scripts/generate-schemas.mjs)", () => {
  expect(readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8")).toBe(page);
});

it("every key of a configuration says what it means, or the object that it is a part of does", () => {
  const rows = page.split("\n").filter((line) => /^\| (\*\*)?`/.test(line));
  expect(rows.length).toBeGreaterThan(80);
  const bare = rows.filter((line) => line.endsWith("|  |")).map((line) => /`([^`]+)`/.exec(line)![1]!);
  expect(bare.filter((key) => !/^(region|interest|grid)\./.test(key))).toEqual([]);
});
