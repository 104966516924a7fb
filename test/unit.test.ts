import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer } from "node:net";
import { Worker } from "node:worker_threads";
import { expect, it } from "vitest";

it.each<[string, () => unknown]>([
  ["start a process", () => spawn("true")],
  ["start a process", () => execFileSync("true")],
  ["start a server", () => createServer().listen(0)],
  ["start a server", () => createHttpServer().listen(0)],
  ["connect to anything", () => connect(9)],
  ["start a thread", () => new Worker("")],
])("a unit test may not %s", (what, start) => {
  expect(start).toThrow(`a unit test may not ${what}`);
});

it("every file that the list of unit tests names is there", () => {
  const config = readFileSync(new URL("../vitest.config.ts", import.meta.url), "utf8");
  const [, list] = /const UNIT = \[(.*?)\];/s.exec(config)!;
  const named = [...list!.matchAll(/"([^"]*?)(?:!?[({](.+)[)}])?\.test\.ts"/g)].flatMap(([, start, names]) =>
    (names?.split(/[,|]/) ?? [""]).map((name) => `${start}${name}.test.ts`),
  );
  expect(named.length).toBeGreaterThan(20);
  const gone = named.filter((file) => !file.includes("*") && !existsSync(new URL(file, import.meta.url)));
  expect(gone).toEqual([]);
});
