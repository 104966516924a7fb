import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, it, vi } from "vitest";
import type { SourceStatus } from "../../src/messages/summary.js";
import { MAIN } from "../cli/run-cli.js";
import { until } from "../support/sinks.js";
import { cutFilm } from "./films.js";
import { type Ended, INSPECTION, temporaryFolder, writeConfig } from "./worker.js";

vi.setConfig({ testTimeout: 240_000 });

const folder = temporaryFolder();
const camera = { name: "camera", url: "testsrc", width: 320, height: 240, fps: 15 };

/** Reads two lines and leaves, as `| head -2` does. */
function readTwoLines(child: ChildProcess): Promise<string[]> {
  return new Promise((done) => {
    let read = "";
    child.stdout!.on("data", (chunk) => {
      read += chunk;
      if (read.split("\n").length < 3) return;
      child.stdout!.destroy();
      done(read.split("\n").slice(0, 2));
    });
  });
}

function run(config: object): { child: ChildProcess; ended: Promise<Ended>; words: () => string } {
  const child = spawn(process.execPath, [MAIN, "run", writeConfig({ model: INSPECTION, ...config })], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let words = "";
  child.stderr.on("data", (chunk) => {
    words += chunk;
  });
  return {
    child,
    ended: new Promise((done) => child.once("exit", (code, signal) => done({ code, signal }))),
    words: () => words,
  };
}

it.each([
  ["a camera", [camera]],
  ["a film", [{ name: "film", url: cutFilm(folder, 60), pace: "realtime" }]],
])("a worker of %s whose only reader has left says so once and ends with exit code 1", async (_name, sources) => {
  const { child, ended, words } = run({ sources, sinks: [{ kind: "stdout" }] });
  const lines = await readTwoLines(child);
  expect(lines.map((line) => JSON.parse(line).sequence)).toEqual([0, 1]);
  expect(await ended).toEqual({ code: 1, signal: null });
  const left = "the reader of the standard output has left";
  expect(
    words()
      .split("\n")
      .filter((line) => line.includes(left)),
  ).toEqual([
    expect.stringContaining(`"msg":"stdout: ${left}; what was to be printed is dropped"`),
    `video-explainer: ${left}; no other sink is left, so the worker ends`,
  ]);
});

it("a worker that has another sink goes on, not ready, with the reason", async () => {
  const sinks = [{ kind: "stdout" }, { kind: "files", path: join(folder, "out") }];
  const { child, ended, words } = run({ sources: [camera], sinks });
  await readTwoLines(child);
  const metrics = await new Promise<string>((done) => {
    const look = setInterval(() => {
      const url = /metrics: (http:\S+)\/metrics/.exec(words())?.[1];
      if (url === undefined) return;
      clearInterval(look);
      done(url);
    }, 20);
  });
  await until("it to be told", async () => (await fetch(`${metrics}/readyz`)).status === 503);
  expect(await (await fetch(`${metrics}/readyz`)).text()).toContain("the reader of the standard output has left");
  const written = async () =>
    Number(
      /published_total\{sink="files",kind="summary"\} (\d+)/.exec(
        await (await fetch(`${metrics}/metrics`)).text(),
      )?.[1],
    );
  const before = await written();
  await until("more files", async () => (await written()) > before + 5);
  child.kill("SIGTERM");
  expect(await ended).toEqual({ code: 0, signal: null });
});

it("a log that nobody takes ends nothing: the disk is full, or its reader has left", async () => {
  const film = { name: "film", url: cutFilm(folder, 10) };
  const config = { model: INSPECTION, sources: [film], sinks: [{ kind: "files", path: join(folder, "log") }] };
  const full = openSync("/dev/full", "w");
  const ends = ([full, "pipe"] as const).map((stderr) => {
    const child = spawn(process.execPath, [MAIN, "run", writeConfig(config)], { stdio: ["ignore", "ignore", stderr] });
    child.stderr?.destroy();
    return new Promise((done) => child.once("exit", (code, signal) => done([code, signal])));
  });
  expect(await Promise.all(ends)).toEqual([
    [0, null],
    [0, null],
  ]);
  closeSync(full);
});

it("a worker whose terminal is closed finishes what is in flight, writes its last status and ends with exit code 0", async () => {
  const out = join(folder, "terminal");
  const sinks = [{ kind: "files", path: out, publish: ["summary", "status"] }];
  const config = writeConfig({ model: INSPECTION, sources: [camera], sinks });
  const summaries = join(out, "camera/summaries.jsonl");
  const python = spawn("python3", [
    join(import.meta.dirname, "closed-terminal.py"),
    summaries,
    process.execPath,
    MAIN,
    "run",
    config,
  ]);
  expect((await text(python.stdout)).trim()).toBe("0");
  const lines = (path: string) => readFileSync(path, "utf8").trimEnd().split("\n");
  const last = JSON.parse(lines(join(out, "camera/status.jsonl")).at(-1)!) as SourceStatus;
  expect(last).toMatchObject({ state: "ended", ledger: { inFlight: 0, explained: lines(summaries).length } });
});
