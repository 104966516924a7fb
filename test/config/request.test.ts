import { expect, it, vi } from "vitest";
import { z } from "zod";
import { readRequest } from "../../src/config/request.js";
import { sourceSchema } from "../../src/config/schema.js";
import * as syntax from "../../src/config/syntax.js";

vi.mock("../../src/config/syntax.js", { spy: true });

function faults(schema: z.ZodType, body: unknown): string {
  try {
    readRequest(schema, Buffer.from(JSON.stringify(body)));
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("the request is taken");
}

it("tells what is wrong with a request without looking for its place in the text", () => {
  faults(sourceSchema, {});
  vi.mocked(syntax.parseYaml).mockClear();
  expect(faults(sourceSchema, { name: "a b", url: 5, region: { x: -1, y: 0, width: 1, height: 1 } })).toBe(
    [
      'name must be letters, digits, - or _, beginning with a letter or digit (it becomes part of NATS subjects), found text "a b"',
      "url must be text, found the number 5; put it in quotes",
      "region.x must be at least 0, found the number -1",
    ].join("; "),
  );
  expect(syntax.parseYaml).not.toHaveBeenCalled();
});

it("lists no more faults than anybody reads", () => {
  const long = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`${"k".repeat(300)}${i}`, 1]));
  const text = faults(sourceSchema, { name: "a", url: "x", ...long });
  expect(text).toMatch(/; and more$/);
  expect(text.length).toBeLessThan(1300);
});

it("names keys where none is known, and empty ones", () => {
  expect(faults(z.strictObject({}), { a: 1 })).toBe("a is not a known key; none is known here");
  expect(faults(z.strictObject({}), { "": 1 })).toBe("a key is empty");
});
