import { execFileSync, spawn } from "node:child_process";
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
