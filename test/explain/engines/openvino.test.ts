import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { withoutEffect } from "../../../src/explain/engines/engine.js";
import { describeEngine, engineNamed } from "../../../src/explain/engines/registry.js";
import { toOnnx } from "../../../src/explain/engines/serialise.js";
import { tryGraph } from "../../../src/explain/engines/trial/trial.js";
import { loadModel } from "../../../src/explain/model/load.js";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { importOnnx } from "../../../src/explain/onnx/import.js";
import { DEFAULT_METHOD } from "../../../src/explain/options.js";
import { Emitter } from "../../../src/explain/program/emitter.js";
import type { Program } from "../../../src/explain/program/program.js";
import { tensorProgram } from "../../../src/explain/programs/tensor.js";
import { noise } from "../random/writer.js";
import { GOLDEN_MAPS, goldenCase, goldenNames, relativeError } from "../twin/golden.js";
import { expectAlike, explainNoise } from "./explained.js";
import { goldenProgram, OPENVINO, onOpenvino, requireOpenvino } from "./run.js";

/** Relative to the frame's largest |R|. */
const TOLERANCE = 1e-4;
const MODELS = fileURLToPath(new URL("../../../models/", import.meta.url));
const OPTIONS = { device: "cpu", threads: 1 } as const;

beforeAll(requireOpenvino);

/** Where the process of a trial finds it. */
const WHERE = {
  module: new URL("../../../dist/explain/engines/openvino/runner.js", import.meta.url).href,
  name: "openvinoPreparing",
  frames: 1,
};
/** What is wrong with a graph on OpenVINO; undefined where nothing is. */
async function faultOf(graph: string, { inputs, outputs }: Program, cache?: string): Promise<string | undefined> {
  const request = { engine: WHERE, prepared: { inputs, outputs }, options: OPTIONS, measure: false };
  return (await tryGraph(graph, request, [], cache)).fault;
}

describe("OpenVINO gives the golden maps of", () => {
  // Each of the other maps on some of them: compiling takes longer than elsewhere.
  const others = ["r-lrp", "r-lrp-absolute", "r-lrp.contrast", "r-lrp-constant", "r-lrp.flat", "r-lrp-local"];
  const cases = goldenNames().map((name, k) => [name, ["r-lrp-graded", others[k % 8]]] as const);
  it.each(cases)("%s", async (name, maps) => {
    const golden = goldenCase(name);
    const network = canonicalise(importOnnx(golden.model));
    for (const map of maps) {
      if (map === undefined) continue;
      const expected = golden.maps.get(map);
      if (!expected) continue;
      const { program, feeds } = goldenProgram(golden, GOLDEN_MAPS[map]!, network);
      const { relevance, target } = await onOpenvino(program, feeds);
      expect(relevance!.dims, map).toEqual(feeds.input!.dims);
      expect(Array.from(target!.data, Number), map).toEqual(golden.target);
      const all = relevance!.data as Float32Array;
      const size = all.length / expected.length;
      expected.forEach((frame, n) => {
        expect(relativeError(all.subarray(n * size, (n + 1) * size), frame), `${map} ${n}`).toBeLessThan(TOLERANCE);
      });
    }
  });
});

/** The program of a shipped network and a batch of noise. */
function shipped(name: string, frames = 2) {
  const { network } = loadModel(join(MODELS, name));
  const program = tensorProgram(network, DEFAULT_METHOD, { low: [-2], high: [2], channelAxis: 1 });
  const dims = [frames, ...network.shapes.get(network.input)!.slice(1)];
  const next = noise(5);
  const data = Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => 2 * next());
  return { program, feeds: { input: { data, dims } } };
}

function correlation(a: Float32Array, b: Float32Array): number {
  const mean = (v: Float32Array): number => v.reduce((sum, x) => sum + x, 0) / v.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  a.forEach((v, i) => {
    ab += (v - ma) * (b[i]! - mb);
    aa += (v - ma) ** 2;
    bb += (b[i]! - mb) ** 2;
  });
  return ab / Math.sqrt(aa * bb);
}

describe("OpenVINO", () => {
  it("is what auto takes once it is set up, for there is no better one", async () => {
    const { program } = shipped("inspection-cnn");
    const runner = await engineNamed("auto")(program, OPTIONS);
    await runner.close();
    expect(describeEngine(runner)).toBe("openvino-cpu");
  });

  it("computes in bfloat16 where the processor does, and nearly the same map", async () => {
    const { program, feeds } = shipped("inspection-resnet");
    const exact = await onOpenvino(program, feeds);
    const runner = await engineNamed("openvino")(program, { ...OPTIONS, precision: "bfloat16" });
    const half = await runner.run(feeds);
    await runner.close();
    const maps = [exact.relevance!.data, half.relevance!.data] as [Float32Array, Float32Array];
    if (runner.name === "openvino-cpu-bfloat16") {
      expect(runner.ignores).toEqual([]);
      expect(correlation(...maps)).toBeGreaterThan(0.99);
      expect(maps[0]).not.toEqual(maps[1]);
    } else {
      expect(withoutEffect(runner, { precision: "bfloat16" })).toBe(
        "this processor does not compute in bfloat16: the engine openvino-cpu computes in float32 instead",
      );
      expect(maps[0]).toEqual(maps[1]);
    }
  });

  it("is compiled once for all threads of an explainer, and explains as onnxruntime does", async () => {
    const folder = mkdtempSync(join(tmpdir(), "cache-"));
    try {
      const [ours, theirs] = [
        await explainNoise("openvino", { cache: folder, classifier: true }),
        await explainNoise("onnxruntime", { cache: folder }),
      ];
      expect(ours.engine).toBe("openvino-cpu");
      expect(ours.explanations).toHaveLength(4);
      expectAlike(ours, theirs);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("gives its memory back when explainers come and go", async () => {
    const folder = mkdtempSync(join(tmpdir(), "cache-"));
    const cycles = async (count: number): Promise<number> => {
      for (let k = 0; k < count; k++) await explainNoise("openvino", { cache: folder, classifier: true });
      return process.memoryUsage().rss / 2 ** 20;
    };
    try {
      const before = await cycles(3);
      const after = await cycles(8);
      expect(after - before).toBeLessThan(120);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 120_000);

  it("takes as much memory after a thousand runs as after a hundred", async () => {
    const { program, feeds } = shipped("inspection-cnn");
    const runner = await engineNamed("openvino")(program, OPTIONS);
    const runs = async (count: number): Promise<number> => {
      for (let k = 0; k < count; k++) await runner.run(feeds);
      return process.memoryUsage().rss / 2 ** 20;
    };
    const before = await runs(100);
    const after = await runs(900);
    await runner.close();
    expect(after - before).toBeLessThan(60);
  });

  it("takes no picture of other dims than the program's", async () => {
    const { program } = shipped("inspection-cnn");
    const runner = await engineNamed("openvino")(program, OPTIONS);
    await expect(runner.run({ input: { data: new Float32Array(3), dims: [1, 3, 1, 1] } })).rejects.toThrow(
      "the engine openvino was given input of 1 x 3 x 1 x 1 where N x 3 x 96 x 96 is wanted",
    );
    await runner.close();
  });

  it("leaves graphics cards of others than Intel to onnxruntime, and finds no device that is not there", async () => {
    await expect(
      engineNamed("openvino")(shipped("inspection-cnn").program, { device: "cuda", threads: 1 }),
    ).rejects.toThrow("the engine openvino does not run on cuda; take engine onnxruntime");
    await expect(
      engineNamed("openvino")(shipped("inspection-cnn").program, { device: "intel-npu", threads: 1 }),
    ).rejects.toThrow("the engine openvino finds no intel-npu here; install its driver, or take device cpu");
  });
});

describe("a program that OpenVINO cannot compile", () => {
  /** Softmax over an axis that is not there. */
  function odd() {
    const e = new Emitter();
    const x = e.input("x", "float32", [-1, 2]);
    e.output(e.op("Softmax", [x], { axis: { int: 7 } }), "y", "float32", [-1, 2]);
    return e.finish();
  }
  it("is refused in one sentence", async () => {
    await expect(engineNamed("openvino")(odd(), OPTIONS)).rejects.toThrow(
      /^the engine openvino cannot run this model \([^\n]+\); take engine onnxruntime$/,
    );
  });
  it("ends a process of its own where it ends one, and is tried once where it does not", async () => {
    const folder = mkdtempSync(join(tmpdir(), "validation-"));
    const [graph, tried] = [join(folder, "graph.onnx"), join(folder, "tried")];
    const write = (program: Program): void => {
      const inputs = program.inputs.map((port) => ({ ...port, dims: port.dims.map(Math.abs) }));
      writeFileSync(graph, toOnnx({ ...program, inputs }));
    };
    try {
      // Two dense layers with their matrices left in: see src/explain/engines/openvino/dense-as-conv.ts.
      const { program: dense } = goldenProgram(goldenCase("dense"), GOLDEN_MAPS["r-lrp.flat"]!);
      write(dense);
      // Whether it dies of them depends on the processor: that none ends the process here is what counts.
      const fault = await faultOf(graph, dense, tried);
      expect(fault === undefined || fault === "it died of SIGSEGV", fault).toBe(true);
      const marks = 1;
      expect(await faultOf(graph, dense, tried)).toBe(fault);
      expect(readdirSync(tried)).toHaveLength(marks);
      const { program } = shipped("inspection-cnn");
      write(program);
      for (let k = 0; k < 2; k++) expect(await faultOf(graph, program, tried)).toBeUndefined();
      expect(readdirSync(tried)).toHaveLength(marks + 1);
      writeFileSync(graph, "no graph");
      expect(await faultOf(graph, program, tried)).toMatch(/\S/);
      // What OpenVINO refuses is remembered, and so is what it dies of; what is stopped from outside is not.
      expect(readdirSync(tried)).toHaveLength(marks + 2);
      const death = join(folder, "death.cjs");
      for (const [signal, remembered] of [
        ["SIGABRT", true],
        ["SIGKILL", false],
      ] as const) {
        writeFileSync(death, `process.kill(process.pid, "${signal}")`);
        writeFileSync(graph, signal);
        const options = process.env.NODE_OPTIONS;
        process.env.NODE_OPTIONS = `--require=${death}`;
        expect(await faultOf(graph, program, join(tried, signal))).toBe(`it died of ${signal}`);
        if (options === undefined) delete process.env.NODE_OPTIONS;
        else process.env.NODE_OPTIONS = options;
        expect(existsSync(join(tried, signal))).toBe(remembered);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
  it("is refused when its numbers are not onnxruntime's", async () => {
    const folder = mkdtempSync(join(tmpdir(), "validation-"));
    const graph = join(folder, "graph.onnx");
    const e = new Emitter();
    const x = e.input("x", "float32", [1, 4, 3, 3]);
    const next = noise(3);
    const values = (...dims: number[]) =>
      e.tensor(Float32Array.from({ length: dims.reduce((a, b) => a * b) }, next), dims);
    // See src/explain/engines/openvino/keep-planes-dynamic.ts, which this goes without.
    const window = { kernel: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1] } as const;
    const y = e.conv(e.mul(x, values(1, 1, 3, 3)), values(4, 4, 3, 3), undefined, window);
    e.output(y, "relevance", "float32", [1, 4, 3, 3]);
    const program = e.finish();
    try {
      writeFileSync(graph, toOnnx(program));
      expect(await faultOf(graph, program)).toMatch(
        /^its relevance of a picture of noise is not the processor's: (correlation -?[01]\.\d+|[\d.]+ % apart)$/,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("where OpenVINO dies of a model, auto", () => {
  it("takes onnxruntime for it, and says why", async () => {
    const options = process.env.NODE_OPTIONS;
    // Whatever compiles in a process of its own ends at once.
    process.env.NODE_OPTIONS = "--require=/nowhere/at/all.cjs";
    const folder = mkdtempSync(join(tmpdir(), "cache-"));
    try {
      const { engine, skipped } = await explainNoise("auto", { cache: folder });
      expect(engine).toBe("onnxruntime-cpu");
      expect(skipped).toEqual([expect.stringMatching(/^the engine openvino cannot run this model \(.+\)/)]);
    } finally {
      if (options === undefined) delete process.env.NODE_OPTIONS;
      else process.env.NODE_OPTIONS = options;
      rmSync(folder, { recursive: true });
    }
  });
});

describe("without its libraries, OpenVINO", () => {
  // Each thread loads them once: in this one they are there.
  const inFresh = async (folder: string): Promise<unknown> => {
    const { spawnSync } = await import("node:child_process");
    const url = new URL("../../../dist/explain/engines/openvino/library.js", import.meta.url).href;
    const script = `import(${JSON.stringify(url)}).then((m) => { try { m.openVino(); } catch (e) { console.log(e.code, e.message); } })`;
    const env = { ...process.env, OPENVINO_LIBRARIES: folder };
    return spawnSync(process.execPath, ["-e", script], { encoding: "utf8", env }).stdout.trim();
  };
  it("is missing, with what to do", async () => {
    const words = "engine-missing the engine openvino is not set up here; run npm run setup:openvino";
    expect(await inFresh(join(OPENVINO, "nowhere"))).toBe(words);
    expect(await inFresh("off")).toBe(words);
  });
  it("is missing where they are damaged, and the sentence says from where", async () => {
    const folder = mkdtempSync(join(tmpdir(), "openvino-"));
    try {
      writeFileSync(join(folder, "libopenvino_c.so.1"), "no library");
      expect(await inFresh(folder)).toMatch(
        /^engine-missing the engine openvino cannot be loaded from .*openvino-.* \(.*\); run npm run setup:openvino$/,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
