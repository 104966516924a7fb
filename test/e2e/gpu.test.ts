import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import type { BenchReport } from "../../src/bench/report.js";
import { ENGINE_NAMES } from "../../src/explain/engine-names.js";
import type { Summary } from "../../src/messages/summary.js";
import { runCli } from "../cli/run-cli.js";
import { goldenCase } from "../explain/twin/golden.js";
import { requireSoftwareGpu, SOFTWARE_GPU } from "../support/software-gpu.js";
import { cutFilm } from "./films.js";
import { upTo } from "./topics.js";
import { startWorker, temporaryFolder, type Worker } from "./worker.js";

// A GPU made of the processor compiles its kernels for seconds, on a busy machine for a minute.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const PRETENDED = join(import.meta.dirname, "../support/pretended-card.cjs");
const FRAMES = 24;

/** A network of a few layers, as a folder with its card: a software GPU needs seconds for a frame of a larger one. */
function smallModel(): { path: string } {
  const { model, logits } = goldenCase("residual");
  const folder = temporaryFolder();
  writeFileSync(join(folder, "model.onnx"), model);
  const labels = Array.from(logits[0]!, (_, k) => `class ${k}`);
  writeFileSync(join(folder, "model.yaml"), JSON.stringify({ name: "small", labels, input: { mean: 127.5, std: 64 } }));
  return { path: folder };
}

/** A film from end to end, each frame explained on the device. */
function explainFilm(device: string, env: Record<string, string>): Worker {
  return startWorker(
    {
      model: smallModel(),
      engine: { device, maxBatch: 4, cache: temporaryFolder() },
      sources: [{ name: "film", url: cutFilm(temporaryFolder(), FRAMES), policy: "every-frame" }],
      sinks: [{ kind: "stdout" }],
    },
    env,
  );
}

const summariesOf = ({ stdout }: Worker): Summary[] =>
  stdout
    .trim()
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Summary);
const warnings = ({ log }: Worker): string[] => log.filter(({ level }) => level === "warn").map(({ msg }) => msg);
const warm = ({ log }: Worker): string | undefined => log.find(({ msg }) => msg.includes("is warm on"))?.msg;

describe("a film explained on a GPU", () => {
  it("gives one summary a frame, in order, and nothing is said that the worker does not say", async () => {
    requireSoftwareGpu();
    const worker = explainFilm("webgpu", SOFTWARE_GPU);
    const { code } = await worker.ended;
    expect(code, worker.said.join("\n")).toBe(0);
    expect(worker.said).toEqual([]);
    expect(warm(worker)).toBe("model small is warm on onnxruntime-webgpu");
    const summaries = summariesOf(worker);
    expect(summaries.map((s) => s.sequence)).toEqual(upTo(FRAMES));
    for (const { relevance } of summaries) expect(relevance!.positive - relevance!.negative).toBeCloseTo(1, 4);
  });
});

describe("where there is a graphics card, auto", () => {
  const card = { NODE_OPTIONS: `--require=${PRETENDED}` };
  it("takes it once it has passed its trial and is the faster, and says why nothing else", async () => {
    const worker = explainFilm("auto", card);
    const { code } = await worker.ended;
    expect(code, worker.said.join("\n")).toBe(0);
    expect(warm(worker)).toMatch(
      /^model small is warm on onnxruntime-webgpu \(not taken: the processor \(onnxruntime-cpu\) takes \d+\.\d ms a frame and webgpu \(Pretended Card\) \d+\.\d\)$/,
    );
    expect(summariesOf(worker)).toHaveLength(FRAMES);
    expect(warnings(worker)).toEqual([]);
  });
  it("goes on without it when it is lost in the middle: no frame is lost, and one sentence says so", async () => {
    const worker = explainFilm("auto", { ...card, PRETENDED_CARD: JSON.stringify({ failsAfter: 3 }) });
    const { code } = await worker.ended;
    expect(code, worker.said.join("\n")).toBe(0);
    expect(warnings(worker)).toEqual([
      "the device webgpu has failed (the device was lost): frames are explained on onnxruntime-cpu from now on",
    ]);
    expect(summariesOf(worker).map((s) => s.sequence)).toEqual(upTo(FRAMES));
  });
});

describe("a device that was asked for by name and is lost in the middle", () => {
  it("costs the frames that are left, counted, and one sentence says so", async () => {
    const env = { NODE_OPTIONS: `--require=${PRETENDED}`, PRETENDED_CARD: JSON.stringify({ failsAfter: 3 }) };
    const worker = explainFilm("webgpu", env);
    await worker.ended;
    const explained = summariesOf(worker).length;
    expect(explained).toBeGreaterThan(0);
    expect(explained).toBeLessThan(FRAMES);
    const why = "the device webgpu has failed (the device was lost); restart the worker";
    const said = worker.log.filter(({ level }) => level === "warn" || level === "error").map(({ msg }) => msg);
    expect(said).toEqual([`frames are not explained any more, and dropped: ${why}`]);
    expect(worker.log.at(-1)!.msg).toBe(`done: ${FRAMES} frames captured, ${explained} explained`);
  });
});

describe("bench where there is a graphics card", () => {
  it("sets each device beside the processor, by batch, and says which engine has none", async () => {
    const film = cutFilm(temporaryFolder(), 2);
    const args = ["bench", "--model", smallModel().path, "--film", film, "--only", "engine", "--seconds", "0.1"];
    const { code, stdout, stderr } = await runCli([...args, "--json"], {
      NODE_OPTIONS: `--require=${PRETENDED}`,
      XDG_CACHE_HOME: temporaryFolder(),
    });
    expect(code, stderr).toBe(0);
    const places = (JSON.parse(stdout) as BenchReport).engine!.engines;
    expect(places.map(({ engine, device }) => `${engine} ${device}`)).toEqual([
      ...ENGINE_NAMES.map((name) => `${name} cpu`),
      "onnxruntime webgpu",
    ]);
    const card = places.at(-1)!;
    if ("missing" in card) throw new Error(card.missing);
    expect(card.name).toBe("onnxruntime-webgpu");
    expect(card.batches.map(({ batch }) => batch)).toEqual([1, 8, 32]);
    for (const { forwardMs, explainMs } of card.batches) expect(Math.min(forwardMs, explainMs)).toBeGreaterThan(0);
  });
});
