import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { connect } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { median, percentiles } from "../../src/bench/figures.js";
import type { BenchReport } from "../../src/bench/report.js";
import { ENGINE_NAMES } from "../../src/explain/engine-names.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { ffmpeg } from "./films.js";
import { runCli } from "./run-cli.js";

const shipped = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const MODEL = ["--model", shipped("models/inspection-cnn")];

let folder: string;
let film: string;
let server: NatsServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "bench-"));
  film = join(folder, "film.mp4");
  await ffmpeg("-i", shipped("assets/media/bottles.mp4"), "-frames:v", "30", "-c", "copy", film);
  server = await startNatsServer({ jetstream: true });
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const bench = async (...args: string[]): Promise<BenchReport> => {
  const { code, stdout, stderr } = await runCli(["bench", ...MODEL, "--film", film, "--json", ...args]);
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as BenchReport;
};

const streamsOf = async (url: string): Promise<string[]> => {
  const nc = await connect({ servers: url });
  try {
    const names: string[] = [];
    for await (const name of (await nc.jetstreamManager()).streams.names()) names.push(name);
    return names;
  } finally {
    await nc.close();
  }
};

describe("bench", () => {
  it("measures a run end to end, publishing to the NATS server it is given, whose stream it deletes", async () => {
    const report = await bench("--only", "pipeline", "--seconds", "1", "--nats", server.url);
    expect(report).toMatchObject({
      benchmark: "video-explainer",
      model: { name: "inspection-cnn", inputWidth: 96 },
      film: { name: "film.mp4", region: null },
      settings: { method: "r-lrp-graded", maxBatch: 8 },
      nats: { url: server.url, started: false, version: expect.stringMatching(/^\d+\.\d+/) },
      engine: null,
    });
    expect(report.machine.cores).toBeGreaterThan(0);
    expect(report.machine.versions).toMatchObject({ node: process.version, ffmpeg: expect.stringMatching(/^\S+$/) });
    expect(report.decode!.framesPerSecond).toBeGreaterThan(0);

    const p = report.pipeline!;
    expect(p.frames).toBeGreaterThan(1);
    expect(p.explained).toBe(p.frames);
    expect(p.framesPerSecond).toBeCloseTo((p.frames - 1) / p.seconds, 0);
    for (const [name, stage] of Object.entries(p.stages)) {
      expect(stage, name).not.toBeNull();
      expect(stage!.count, name).toBeGreaterThan(0);
      expect(stage!.mean, name).toBeGreaterThanOrEqual(0);
      expect(stage!.p50, name).toBeLessThanOrEqual(stage!.p99);
      expect(stage!.p99, name).toBeLessThanOrEqual(stage!.max);
    }
    // A frame is no sooner handed over than its batch was explained.
    expect(p.stages.endToEnd!.mean).toBeGreaterThan(p.stages.overlay!.mean);
    expect(p.meanBatch).toBeGreaterThanOrEqual(1);
    expect(p.meanBatch).toBeLessThanOrEqual(8);
    expect(p.cpuMsPerFrame.own).toBeGreaterThan(0);
    expect(p.memory.peakRssBytes).toBeGreaterThanOrEqual(p.memory.startRssBytes * 0.9);
    expect(p.memory.peakRssBytes).toBeGreaterThan(30 * 1024 * 1024);
    expect(p.eventLoopDelay.p50Ms).toBeLessThanOrEqual(p.eventLoopDelay.p99Ms);
    expect(p.bytesPerFrame.overlay).toBeGreaterThan(1000);
    expect(p.bytesPerFrame.summary).toBeGreaterThan(500);
    expect(p.topClasses[0]!.share).toBeGreaterThan(0);
    for (const ms of Object.values(p.setup)) expect(ms).toBeGreaterThanOrEqual(0);
    expect(await streamsOf(server.url)).toEqual([]);
  });

  it("sets explaining the chosen frames beside explaining all, and counts what they were chosen for", async () => {
    const when = "{ every: 4, labels: [crack] }";
    const { pipeline } = await bench("--only", "pipeline", "--seconds", "1", "--no-nats", "--when", when);
    const { all, chosen, saved, rounds, ...rest } = pipeline!.choice!;
    expect(rest.when).toEqual({ every: 4, labels: ["crack"] });
    expect(all.explained).toBe(all.frames);
    const { every = 0, labels = 0 } = chosen.reasons;
    // Of a window's frames each fourth, give or take one.
    expect(Math.abs(every - chosen.frames / 4)).toBeLessThanOrEqual(rounds);
    expect(chosen.explained).toBeGreaterThanOrEqual(every);
    expect(chosen.explained).toBeLessThanOrEqual(every + labels);
    for (const side of [all, chosen]) expect(Math.min(side.framesPerSecond, side.cpuMsPerFrame)).toBeGreaterThan(0);
    expect(saved).toBeCloseTo(1 - chosen.cpuMsPerFrame / all.cpuMsPerFrame, 2);
  });

  it("finds a NATS server, or starts one for itself", async () => {
    const { nats, pipeline } = await bench("--only", "pipeline", "--seconds", "0.3");
    expect(nats).toMatchObject({ version: expect.any(String) });
    const { url, started } = nats as { url: string; started: boolean };
    expect(started || url === "nats://127.0.0.1:4222").toBe(true);
    expect(pipeline!.stages.acknowledged!.count).toBeGreaterThan(0);
    if (started) await expect(connect({ servers: url, timeout: 500 })).rejects.toThrow();
  });

  it("sets the forward pass beside each method, by batch, set-up apart", async () => {
    const { engine, pipeline, nats } = await bench("--only", "engine", "--seconds", "0.5", "--threads", "1");
    expect([pipeline, nats]).toEqual([null, null]);
    expect(engine).toMatchObject({ engine: "onnxruntime-cpu", threads: 1 });
    const methods = ["r-lrp-graded", "r-lrp", "r-lrp-constant", "r-lrp-absolute"];
    expect(engine!.rows.map((r) => `${r.way} ${r.method} ${r.batch}`)).toEqual(
      ["session", "explainer"].flatMap((way) => methods.flatMap((m) => [1, 4, 8].map((b) => `${way} ${m} ${b}`))),
    );
    for (const row of engine!.rows) {
      expect(row.rounds).toBeGreaterThanOrEqual(5);
      expect(row.forwardMsPerFrame).toBeGreaterThan(0);
      expect(row.explainMsPerFrame).toBeGreaterThan(0);
      expect(Math.abs(row.ratio - row.explainMsPerFrame / row.forwardMsPerFrame)).toBeLessThan(0.05 * row.ratio);
    }
    expect(engine!.setup.programs.map((p) => p.program)).toEqual(["forward", ...methods]);
    expect(engine!.setup.explainers).toHaveLength(4);
    // Each engine that is here is measured on the processor, each that is not says what to do.
    expect(engine!.engines.map((place) => `${place.engine} ${place.device}`)).toEqual(
      ENGINE_NAMES.map((name) => `${name} cpu`),
    );
    for (const place of engine!.engines) {
      if ("missing" in place) expect(place.missing).toMatch(/^[^\n]+[^.]$/);
      else expect(place.batches.map(({ batch }) => batch)).toEqual([1, 8]);
    }
  }, 120_000);

  it("prints a table for people, and says where it publishes nowhere", async () => {
    const args = ["bench", ...MODEL, "--film", film, "--only", "pipeline", "--seconds", "0.5", "--no-nats"];
    const { code, stdout } = await runCli(args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^inspection-cnn \(96x96\) on film\.mp4\n/);
    expect(stdout).toMatch(/End to end, \d+ frames in .* told not to publish/);
    expect(stdout).toMatch(/\d+\.\d frames\/s/);
    expect(stdout).not.toMatch(/NaN|undefined|null/);
  });

  it.each<[name: string, args: () => string[], words: RegExp]>([
    ["a film that is none", () => ["--film", textFile()], /notes\.mp4 cannot be read as video/],
    ["a missing film", () => ["--film", join(folder, "no.mp4")], /there is no file .*no\.mp4/],
    ["a missing model", () => ["--model", "nothing-here"], /model "nothing-here" does not exist/],
    ["a region outside the film", () => ["--film", film, "--region", "600,0,100,100"], /reaches outside/],
    ["a choice of frames that is none", () => ["--film", film, "--when", "{}"], /explain\.when chooses no frame/],
    ["a label that the model has not", () => ["--film", film, "--when", "{ labels: [crak] }"], /did you mean "crack"/],
    [
      "a choice where nothing is chosen",
      () => ["--only", "engine", "--when", "{ every: 2 }"],
      /--only engine leaves out/,
    ],
    ["an address that is none", () => ["--film", film, "--nats", "http://x"], /http/],
  ])("refuses %s in one sentence, exit code 2", async (_, args, words) => {
    const { code, stdout, stderr } = await runCli(["bench", ...MODEL, "--json", ...args()]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^video-explainer: [^\n]*\n$/);
    expect(stderr).toMatch(words);
  });

  const textFile = (): string => {
    const path = join(folder, "notes.mp4");
    writeFileSync(path, "some words\n".repeat(50));
    return path;
  };

  it("fails with exit code 1 when the NATS server it was given does not answer", async () => {
    const gone = await startNatsServer();
    await gone.stop();
    const { code, stderr } = await runCli(["bench", ...MODEL, "--film", film, "--json", "--nats", gone.url]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^video-explainer: [^\n]*127\.0\.0\.1:\d+[^\n]*\n$/);
  });
});

describe("the bench's figures", () => {
  it("are medians and nearest-rank percentiles", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(percentiles([])).toBeNull();
    expect(percentiles(Array.from({ length: 100 }, (_, k) => 100 - k))).toEqual({
      ...{ count: 100, mean: 50.5, p50: 50, p99: 99, max: 100 },
    });
  });

  it("lie within the sample, in order, whatever the sample", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 }), (values) => {
        const { p50, p99, max, mean } = percentiles(values)!;
        expect(p50).toBeLessThanOrEqual(p99);
        expect(p99).toBeLessThanOrEqual(max);
        expect(max).toBeCloseTo(Math.max(...values), 2);
        expect(mean).toBeGreaterThanOrEqual(Math.min(...values) - 0.001);
        expect(mean).toBeLessThanOrEqual(max + 0.001);
      }),
    );
  });
});
