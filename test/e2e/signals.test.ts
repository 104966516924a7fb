import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { MAIN } from "../cli/run-cli.js";
import { expectExactLedgers } from "../support/ledgers.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { pause, until } from "../support/sinks.js";
import { cutFilm } from "./films.js";
import { publishedBy, upTo } from "./topics.js";
import {
  anyRunning,
  childrenOf,
  EFFICIENTNET,
  type Ended,
  INSPECTION,
  ROOT,
  startWorker,
  temporaryFolder,
  type Worker,
} from "./worker.js";

/** For what takes some seconds on a machine that is not busy. */
const LONG = 120_000;
vi.setConfig({ testTimeout: 2 * LONG });

const folder = temporaryFolder();
let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer({ jetstream: true });
});
afterAll(() => server?.stop());

/** Runs a looping film and a live camera until the film has begun again. */
async function busyWorker(station: string): Promise<{ worker: Worker; children: number[] }> {
  const worker = startWorker({
    station,
    model: INSPECTION,
    sources: [
      { name: "film", url: cutFilm(folder, 60), loop: true },
      { name: "camera", url: "testsrc", width: 320, height: 240, fps: 15 },
    ],
    sinks: [
      { kind: "nats", servers: [server.url], jetstream: true },
      { kind: "viewer", port: 0 },
    ],
  });
  await until(
    "the film to begin again",
    async () => {
      const metrics = await worker.metrics();
      const explained = (source: string) => metrics.value("frames_explained_total", { source });
      return explained("film") > 65 && explained("camera") > 20;
    },
    LONG,
  );
  const children = childrenOf(worker.pid);
  // Two that decode, and what started them.
  expect(children).toHaveLength(3);
  expect(anyRunning(children)).toBe(true);
  return { worker, children };
}

/** Sends one signal after the other until the process is gone. */
async function pester(process: { kill(signal: NodeJS.Signals): unknown }, ended: Promise<unknown>): Promise<void> {
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  for (let k = 0; !isOver; k++) {
    process.kill((["SIGTERM", "SIGINT", "SIGHUP"] as const)[k % 3]!);
    await pause(2);
  }
}

/** The program has set its handlers: those of SIGINT and SIGTERM are there before, Node's own. */
const catchesSignals = (pid: number): boolean =>
  /^SigCgt:.*[13579bdf]$/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));

it("ends at SIGTERM within ten seconds with everything captured published or counted, and no child left, whatever signals follow", async () => {
  const [signal, station] = ["SIGTERM", "stopped"] as const;
  const { worker, children } = await busyWorker(station);
  const at = performance.now();
  worker.kill(signal);
  await pester(worker, worker.ended);
  expect(await worker.ended).toEqual({ code: 0, signal: null });
  const took = performance.now() - at;
  expect(anyRunning(children)).toBe(false);
  expect(took).toBeLessThan(10_000);
  expect(worker.said).toEqual([]);
  for (const source of ["film", "camera"]) {
    const { summaries, statuses } = await publishedBy(server.url, station, source);
    expectExactLedgers(statuses);
    const last = statuses.at(-1)!;
    const { ledger } = last;
    console.log(`${source}: ${JSON.stringify(ledger)} ${took.toFixed(0)} ms after ${signal}`);
    expect(last.state).toBe("ended");
    expect(ledger.inFlight).toBe(0);
    expect(ledger.explained).toBe(summaries.length);
    const sequences = summaries.map((s) => s.sequence);
    if (source === "film") {
      expect(ledger.dropped).toEqual({});
      expect(sequences).toEqual(upTo(ledger.captured));
    } else {
      expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
      expect(Math.max(...sequences)).toBeLessThan(ledger.captured);
    }
  }
});

it("ends at once with exit code 0 when SIGTERM comes while it starts", async () => {
  const worker = startWorker({
    station: "early",
    model: EFFICIENTNET,
    sources: [{ name: "camera", url: "testsrc" }],
    sinks: [{ kind: "nats", servers: [server.url], jetstream: true }],
  });
  // The look at a source is the first thing that has a process of its own.
  await until("it to look at its sources", () => childrenOf(worker.pid).length > 0, LONG);
  worker.kill("SIGTERM");
  expect(await worker.ended).toEqual({ code: 0, signal: null });
  expect(worker.said).toEqual([]);
});

it("ends with exit code 0 whatever signals come from its first moment on", async () => {
  const worker = startWorker({ model: INSPECTION, sources: [{ name: "camera", url: "testsrc" }], sinks: [] });
  await until("it to catch signals", () => catchesSignals(worker.pid), LONG);
  await pester(worker, worker.ended);
  expect(await worker.ended).toEqual({ code: 0, signal: null });
  expect(worker.said).toEqual([]);
});

it("ends with its own exit code when it has done its work, whatever signals come then", async () => {
  const film = cutFilm(folder, 10);
  const worker = startWorker({
    model: INSPECTION,
    sources: [{ name: "film", url: film }],
    sinks: [{ kind: "stdout" }],
    log: { level: "info" },
  });
  await until("its work to be done", () => worker.log.some(({ msg }) => msg.startsWith("done: ")), LONG);
  await pester(worker, worker.ended);
  expect(await worker.ended).toEqual({ code: 0, signal: null });
  expect(worker.stdout.trimEnd().split("\n")).toHaveLength(10);
});

it.each<[name: string, args: string[]]>([
  ["explain", ["explain", "FILM", "--model", join(ROOT, "models/inspection-cnn"), "--out", "OUT", "--force"]],
  ["watch", ["watch", "--server", "nats://127.0.0.1:1"]],
  ["bench", ["bench", "--no-nats", "--only", "pipeline", "--model", join(ROOT, "models/inspection-cnn")]],
])("%s ends with the exit code of a signal, whatever signals follow", async (name, args) => {
  const film = cutFilm(folder, 60);
  const out = temporaryFolder();
  const filled = args.map((arg) => (arg === "FILM" ? film : arg === "OUT" ? out : arg));
  const child = spawn(process.execPath, [MAIN, ...filled], { stdio: "ignore" });
  const ended = new Promise<Ended>((done) => child.once("exit", (code, signal) => done({ code, signal })));
  await until("it to catch signals", () => catchesSignals(child.pid!), LONG);
  await pester(child, ended);
  // Of several that wait the system delivers any first; who follows topics was only asked to go on until then.
  expect((await ended).signal).toBeNull();
  expect([129, 130, 143, ...(name === "watch" ? [0] : [])]).toContain((await ended).code);
});

it("leaves no ffmpeg behind when it is killed outright", async () => {
  const { worker, children } = await busyWorker("killed");
  worker.kill("SIGKILL");
  expect(await worker.ended).toEqual({ code: null, signal: "SIGKILL" });
  await until("its children to be gone", () => !anyRunning(children), LONG);
});

it("counts on from where a killed worker was without taking its frames for duplicates", async () => {
  const film = cutFilm(folder, 40);
  const config = {
    station: "again",
    model: INSPECTION,
    sources: [{ name: "film", url: film }],
    sinks: [{ kind: "nats", servers: [server.url], jetstream: true, publish: ["summary", "status"] }],
  };
  for (let run = 0; run < 2; run++) {
    const worker = startWorker(config);
    expect(await worker.ended, worker.said.join("\n")).toEqual({ code: 0, signal: null });
  }
  const { summaries } = await publishedBy(server.url, "again", "film");
  expect(summaries.map((s) => s.sequence)).toEqual([...upTo(40), ...upTo(40)]);
  expect(new Set(summaries.map((s) => s.id)).size).toBe(80);
});
