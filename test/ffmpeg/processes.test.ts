import { spawn } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { afterEach, expect, test, vi } from "vitest";
import { runChild, startChild } from "../../src/ffmpeg/children.js";
import { ShortageError, shortageOf } from "../../src/ffmpeg/shortage.js";
import { spawnerPid } from "../../src/ffmpeg/spawner.js";
import type { SourceState } from "../../src/pipeline/index.js";
import { childrenOf } from "../e2e/worker.js";
import { isRunning, open, pull, temporaryFolder, until } from "../pipeline/helpers.js";
import { portOf, silent } from "../pipeline/senders.js";

const folder = temporaryFolder();
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A program of these shell commands. */
function script(name: string, lines: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${lines}\n`);
  chmodSync(path, 0o755);
  return path;
}

const SMALL = { width: 64, height: 48, fps: 5 };
const QUICK = { delay: () => 200, tickMs: 50 };

/** Drops what comes, and remembers each state. */
function watched(...[config, options]: Parameters<typeof open>) {
  const opened = open(config, { ...options, timing: { ...QUICK, ...options?.timing } });
  const states: SourceState[] = [];
  let frames = 0;
  opened.source.status$.subscribe((state) => states.push(state));
  void pull(opened.source, (frame) => {
    frames++;
    frame.release();
  });
  cleanups.push(() => opened.source.stop());
  return {
    ...opened,
    states,
    get frames() {
      return frames;
    },
  };
}

const stateOf = ({ source }: { source: { status(): SourceState } }): string => source.status().state;

test("where descriptors run out some sources fail in one sentence, and come when there are some again", async () => {
  const dist = pathToFileURL(resolve(import.meta.dirname, "../../dist")).href;
  const program = `
    const { Ledger, openSource } = await import("${dist}/pipeline/index.js");
    const { sourceSchema } = await import("${dist}/config/schema.js");
    const { openSync, readdirSync } = await import("node:fs");
    const reasons = new Set();
    // Room for four or five.
    while (readdirSync("/proc/self/fd").length < 160 - 32 - 15) openSync("/dev/null");
    const sources = Array.from({ length: 8 }, (_, i) => {
      const config = sourceSchema.parse({ name: "s" + i, url: "testsrc", fps: 2, width: 64, height: 48 });
      const view = { inputWidth: 64, inputHeight: 64, fit: "stretch", baseDir: ".", slabs: 3 };
      const source = openSource(config, { ...view, timing: { delay: () => 300 } }, new Ledger(config.name));
      source.status$.subscribe(({ state, reason }) => state === "failed" && reasons.add(reason));
      return source;
    });
    const of = (state) => sources.filter((source) => source.status().state === state);
    const until = async (holds) => { while (!holds()) await new Promise((resolve) => setTimeout(resolve, 50)); };
    const take = setInterval(() => sources.forEach((source) => source.take()?.release()), 50);
    await until(() => of("live").length + of("failed").length === 8);
    const first = [of("live").length, of("failed").length];
    await Promise.all(of("live").slice(0, 2).map((source) => source.stop()));
    await until(() => of("live").length >= first[0]);
    clearInterval(take);
    await Promise.all(sources.map((source) => source.stop()));
    console.log(JSON.stringify({ first, reasons: [...reasons] }));
  `;
  const words = ["-c", 'ulimit -n 160; exec "$@"', "bash", process.execPath, "--input-type=module", "-e", program];
  const child = spawn("bash", words, { stdio: ["ignore", "pipe", "pipe"] });
  cleanups.push(() => child.kill("SIGKILL"));
  let said = "";
  let complaints = "";
  child.stdout.on("data", (text) => (said += text));
  child.stderr.on("data", (text) => (complaints += text));
  const code = await new Promise((done) => child.once("close", done));
  expect([code, complaints]).toEqual([0, ""]);
  const { first, reasons } = JSON.parse(said) as { first: [live: number, failed: number]; reasons: string[] };
  expect(Math.min(...first)).toBeGreaterThan(1);
  expect(reasons).toEqual([
    "ffmpeg cannot be started: this process may open no more files (EMFILE); raise the limit (ulimit -n, LimitNOFILE of the service), or give it fewer sources",
  ]);
});

test("where there is no descriptor for the spawner either, that is said", async () => {
  const dist = pathToFileURL(resolve(import.meta.dirname, "../../dist")).href;
  const program = `
    const { runChild } = await import("${dist}/ffmpeg/children.js");
    const { closeSync, openSync } = await import("node:fs");
    const held = [];
    try {
      for (;;) held.push(openSync("/dev/null"));
    } catch {}
    const refused = await runChild({ program: "true", args: [] }, 20_000).catch((error) => error);
    for (const descriptor of held) closeSync(descriptor);
    const { code } = await runChild({ program: "true", args: [] }, 20_000);
    console.log(JSON.stringify([refused.message, code]));
  `;
  const words = ["-c", 'ulimit -n 100; exec "$@"', "bash", process.execPath, "--input-type=module", "-e", program];
  const child = spawn("bash", words, { stdio: ["ignore", "pipe", "inherit"] });
  cleanups.push(() => child.kill("SIGKILL"));
  let said = "";
  child.stdout.on("data", (text) => (said += text));
  await new Promise((done) => child.once("close", done));
  expect(JSON.parse(said)).toEqual([expect.stringMatching(/^true cannot be started: .*\(EMFILE\); raise /), 0]);
});

test.each(["EMFILE", "ENFILE", "EAGAIN", "ENOMEM", "ENOBUFS"])("%s is a shortage, with what to do", (code) => {
  expect(shortageOf(code)).toMatch(new RegExp(`\\(${code}\\); (?:raise|give) `));
  expect(new ShortageError("ffprobe", shortageOf(code)!).message).toMatch(/^ffprobe cannot be started: .*[^.]$/);
});

test.each([undefined, "ENOENT", "EACCES", "toString"])("%s is none", (code) => {
  expect(shortageOf(code)).toBeUndefined();
});

test("a spawner that is killed costs its sources one sentence, and is started anew", async () => {
  const cameras = [1, 2].map((i) => watched({ name: `camera-${i}`, url: "testsrc", ...SMALL }));
  await until(() => cameras.every((camera) => camera.frames > 2), "both are live");
  const [spawner, pids] = [spawnerPid()!, cameras.map(({ source }) => source.pid!)];
  process.kill(spawner, "SIGKILL");
  await until(() => !pids.some(isRunning), "its ffmpegs are gone with it");
  await until(
    () => cameras.every((camera) => camera.source.status().restarts > 0 && stateOf(camera) === "live"),
    "back",
  );
  for (const { states } of cameras) {
    expect(states.filter(({ state }) => state === "failed").map(({ reason }) => reason)).toEqual([
      "ffmpeg was lost: the process that starts it has ended (SIGKILL) and is started anew",
    ]);
  }
  expect(spawnerPid()).not.toBe(spawner);
});

test("signals that go to a whole group do not end the spawner before its worker", async () => {
  const camera = watched({ url: "testsrc", ...SMALL });
  await until(() => camera.frames > 2, "it is live");
  const spawner = spawnerPid()!;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.kill(spawner, signal);
  const before = camera.frames;
  await until(() => camera.frames > before + 3, "frames still come");
  expect([spawnerPid(), camera.source.status().restarts]).toEqual([spawner, 0]);
});

test("programs are not given the secrets of the environment", async () => {
  vi.stubEnv("NATS_PASSWORD", "planted-1");
  vi.stubEnv("CAMERA_PASSWORD", "planted-2");
  vi.stubEnv("http_proxy", "http://127.0.0.1:9");
  const seen = join(folder, "environments");
  vi.stubEnv("FFPROBE_PATH", script("ffprobe", `env >> "${seen}"; exit 1`));
  vi.stubEnv("FFMPEG_PATH", script("ffmpeg", `env >> "${seen}"; exec ffmpeg "$@"`));
  const live = watched({ name: "live", url: "testsrc", ...SMALL });
  const away = watched({ name: "away", url: "tcp://127.0.0.1:9/x" });
  await until(() => live.frames > 0 && stateOf(away) === "failed", "both were started");
  const words = readFileSync(seen, "utf8");
  expect(words.match(/^http_proxy=http:\/\/127\.0\.0\.1:9$/gm)!.length).toBeGreaterThanOrEqual(2);
  expect(words).not.toContain("planted");
  // Nor is what starts them.
  const own = readFileSync(`/proc/${spawnerPid()}/environ`, "utf8");
  expect(own).toContain("PATH=");
  expect(own).not.toContain("planted");
});

test("of many cameras that do not answer only some have a process, what is on this machine does not wait, and all stop at once", async () => {
  const server = await silent();
  cleanups.push(() => server.end());
  const marks = join(folder, "asked");
  vi.stubEnv("FFPROBE_PATH", script("ffprobe", `echo x >> "${marks}"; exec sleep 60`));
  const url = `tcp://127.0.0.1:${portOf(server)}`;
  const cameras = Array.from({ length: 120 }, (_, i) => watched({ name: `c${i}`, url }));
  const asked = (): number => (existsSync(marks) ? readFileSync(marks, "utf8").length / 2 : 0);
  await until(() => asked() >= 96, "as many as may are asked");
  const live = watched({ url: "testsrc", ...SMALL });
  await until(() => live.frames > 2, "the test picture comes");
  expect(asked()).toBe(96);
  const pids = childrenOf(process.pid).filter((pid) => readFileSync(`/proc/${pid}/comm`, "utf8") === "sleep\n");
  expect(pids.length).toBe(96);
  await Promise.all(cameras.map(({ source }) => source.stop()));
  await until(() => !pids.some(isRunning), "their processes are gone");
  expect(asked()).toBe(96);
});

test("a program is ended when it takes too long or writes too much, and what does not exist is told by the system's code", async () => {
  const slow = await runChild({ program: "sleep", args: ["60"] }, 200);
  expect(slow).toMatchObject({ timedOut: true, signal: "SIGTERM" });
  const flood = await runChild({ program: "yes", args: [] }, 60_000);
  expect(flood).toMatchObject({ flooded: true, stdout: "" });
  await expect(runChild({ program: "no-such-program", args: [] }, 1000)).rejects.toMatchObject({ code: "ENOENT" });
  writeFileSync(join(folder, "no-program"), "");
  const refused = startChild({ program: join(folder, "no-program"), args: [] }, new Map([[1, null]]));
  await expect(refused).rejects.toMatchObject({ code: "EACCES" });
});

test("words reach a program's standard input, and no folder is left of the sockets", async () => {
  vi.stubEnv("TMPDIR", folder);
  const before = readdirSync(folder).filter((name) => name.startsWith("frames-"));
  const child = await startChild({ program: "cat", args: [] }, new Map([0, 1].map((descriptor) => [descriptor, null])));
  child.sockets.get(0)!.end("a\nb\n");
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.sockets.get(1)! })) lines.push(line);
  expect([lines, await child.ended]).toMatchObject([["a", "b"], { code: 0, signal: null }]);
  expect(readdirSync(folder).filter((name) => name.startsWith("frames-"))).toEqual(before);
});
