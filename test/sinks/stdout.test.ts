import { type ChildProcess, spawn } from "node:child_process";
import { PassThrough, Writable } from "node:stream";
import { expect, it } from "vitest";
import { stdoutSinkSchema } from "../../src/config/schema.js";
import { createStdoutSink } from "../../src/sinks/stdout.js";
import { message, outcome, pause, recordingContext, until } from "../support/sinks.js";

function sinkOn(output: Writable, more: object = {}) {
  const { context, recorded } = recordingContext();
  return { sink: createStdoutSink(stdoutSinkSchema.parse({ kind: "stdout", ...more }), context, output), recorded };
}

it("prints one summary a line, in order, and nothing else", async () => {
  const output = new PassThrough();
  let text = "";
  output.on("data", (chunk) => {
    text += chunk;
  });
  const { sink, recorded } = sinkOn(output);
  await sink.connect();
  for (let sequence = 0; sequence < 20; sequence++) {
    await sink.write(outcome(message("summary", "belt", sequence), message("overlay", "belt", sequence)));
  }
  await sink.close(5000);
  expect(text.endsWith("\n")).toBe(true);
  expect(
    text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).sequence),
  ).toEqual(Array.from({ length: 20 }, (_, i) => i));
  expect(recorded.published.length).toBe(20);
});

it("a slow reader holds up writers that may not lose anything", async () => {
  const releases: (() => void)[] = [];
  const output = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => void releases.push(done) });
  const { sink, recorded } = sinkOn(output);
  await sink.connect();
  await sink.write(outcome(message("summary", "belt", 0)));
  let second = false;
  const writing = sink.write(outcome(message("summary", "belt", 1))).then(() => {
    second = true;
  });
  await pause(50);
  expect(second).toBe(false);
  releases.shift()?.();
  await writing;
  releases.shift()?.();
  await sink.close(5000);
  expect(recorded.published.length).toBe(2);
});

it("it is flushed when the last line was read, not before, and at once when nothing waits", async () => {
  const releases: (() => void)[] = [];
  const output = new Writable({ write: (_chunk, _encoding, done) => void releases.push(done) });
  const { sink } = sinkOn(output);
  await sink.connect();
  await sink.flushed!();
  await sink.write(outcome(message("summary", "belt", 0)));
  let flushed = false;
  const flushing = sink.flushed!().then(() => {
    flushed = true;
  });
  await pause(20);
  expect(flushed).toBe(false);
  releases.shift()?.();
  await flushing;
  expect(sink.status().buffered).toBe(0);
});

it("a reader that never reads costs the deadline and is named with what was lost", async () => {
  const output = new Writable({ write: () => undefined });
  const { sink } = sinkOn(output);
  await sink.connect();
  await sink.write(outcome(message("summary", "belt", 0), message("summary", "belt", 1)));
  await expect(sink.close(100)).rejects.toThrow(
    "2 summary messages were not read from the standard output within 0.1 s",
  );
});

it("a reader that has left is no error, and is told once", async () => {
  const reader: ChildProcess = spawn("head", ["-n", "2"], { stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  reader.stdout!.on("data", (chunk) => {
    text += chunk;
  });
  const { sink, recorded } = sinkOn(reader.stdin!);
  await sink.connect();
  for (let sequence = 0; sink.status().connected; sequence++) {
    await sink.write(outcome(message("summary", "belt", sequence)));
    await pause(1);
  }
  await until("the reader's end", () => reader.exitCode !== null);
  await sink.write(outcome(message("summary", "belt", 1_000_000)));
  await sink.close(1000);
  expect(
    text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).sequence),
  ).toEqual([0, 1]);
  expect(recorded.errors).toEqual([]);
  expect(sink.status()).toMatchObject({ connected: false, errors: 0 });
  expect(await sink.verify(1000)).toBe(false);
  expect(recorded.log).toEqual([
    "stdout: the reader of the standard output has left; what was to be printed is dropped",
  ]);
  expect(recorded.dropped.length).toBeGreaterThan(0);
  expect(recorded.connected.at(-1)).toEqual({ connected: false, reason: "the reader of the standard output has left" });
});
