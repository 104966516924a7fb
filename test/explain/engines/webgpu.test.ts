import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import type { Runner } from "../../../src/explain/engines/engine.js";
import { engineNamed } from "../../../src/explain/engines/registry.js";
import { loadModel } from "../../../src/explain/model/load.js";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import type { Network } from "../../../src/explain/network/network.js";
import { importOnnx } from "../../../src/explain/onnx/import.js";
import { DEFAULT_METHOD, type MethodOptions } from "../../../src/explain/options.js";
import type { Preprocessing } from "../../../src/explain/preprocessing.js";
import type { Program } from "../../../src/explain/program/program.js";
import { framesProgram } from "../../../src/explain/programs/frames.js";
import { temporaryFolder } from "../../support/folders.js";
import { openSoftwareGpu } from "../../support/software-gpu.js";
import { noise } from "../random/writer.js";
import { GOLDEN_MAPS, goldenCase, goldenNames, relativeError } from "../twin/golden.js";
import { placementIn } from "./placement.js";
import { type Feeds, goldenProgram, onOnnxruntime } from "./run.js";

// A GPU made of the processor compiles its kernels for seconds, on a busy machine for a minute.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

/** Relative to the frame's largest |R|. */
const TOLERANCE = 1e-4;
const GPU = "WebGpuExecutionProvider";

openSoftwareGpu();

/** Runs a program on the GPU; which provider ran its nodes comes with the results. */
async function onWebgpu(program: Program, feeds: Feeds) {
  const profile = join(temporaryFolder(), "profile");
  const options = { device: "webgpu", threads: 1, skipValidation: true, profile } as const;
  const runner: Runner = await engineNamed("onnxruntime")(program, options);
  const results = await runner.run(feeds);
  await runner.close();
  return { results, placement: placementIn(profile) };
}

describe("on a GPU, every node of the graph is the GPU's, and the golden maps come out, of", () => {
  const others = Object.keys(GOLDEN_MAPS).slice(1);
  // Each of the other maps on some of them.
  const cases = goldenNames().map(
    (name, k) => [name, k % 4 === 0 ? ["r-lrp", others[(k / 4) % 6]!] : ["r-lrp"]] as const,
  );
  it.each(cases)("%s", async (name, maps) => {
    const golden = goldenCase(name);
    const network = canonicalise(importOnnx(golden.model));
    for (const map of maps) {
      const expected = golden.maps.get(map);
      if (!expected) continue;
      const options = GOLDEN_MAPS[map]!;
      const { program, feeds } = goldenProgram(golden, options, network);
      const { results, placement } = await onWebgpu(program, feeds);
      expect([...placement.keys()], `${map}: ${[...(placement.get("CPUExecutionProvider") ?? [])]}`).toEqual([GPU]);
      expect(Array.from(results.target!.data, Number), map).toEqual(
        golden.target.map((top) => (options.target === undefined || options.target === "top" ? top : options.target)),
      );
      const all = results.relevance!.data as Float32Array;
      const size = all.length / expected.length;
      expected.forEach((frame, n) => {
        expect(relativeError(all.subarray(n * size, (n + 1) * size), frame), `${map} ${n}`).toBeLessThan(TOLERANCE);
      });
    }
  });
});

describe("on a GPU, a batch of frames and its summaries leave the GPU only as results, of a network like", () => {
  const like = [
    ["VGG16", "deep-plain", "top", false],
    ["ResNet50", "residual", "top", false],
    ["MobileNetV2", "inverted-residual", "top", false],
    ["MobileNetV2, its class given", "inverted-residual", 1, false],
    ["MobileNetV2, only classified", "inverted-residual", "top", true],
    ["EfficientNet-Lite0", "keras-mobile", "top", false],
    ["a network with squeeze-and-excitation", "squeeze-excite-hard-sigmoid", "top", false],
  ] as const;
  it.each(like)("%s", async (_, name, target: MethodOptions["target"], classifyOnly) => {
    const golden = goldenCase(name);
    const [, a, b, c] = golden.shape as [number, number, number, number];
    const [height, width, layout] = a === 3 ? [b, c, "NCHW" as const] : [a, b, "NHWC" as const];
    const scaling = { mean: [127.5], std: [63.75], channels: 3, channelOrder: "RGB" } as const;
    const network = canonicalise(importOnnx(golden.model));
    await expectAllOnGpu(network, { width, height, layout, ...scaling }, { target, classifyOnly, frames: 2 });
  });

  // PLACEMENT_MODELS=/folder/of/onnx/files:models npx vitest run test/explain/engines/webgpu.test.ts -t "full size"
  const folders = process.env.PLACEMENT_MODELS?.split(":") ?? [];
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".onnx"))
      .map((name) => join(folder, name)),
  );
  it.runIf(files.length > 0).each(files)(
    "%s, at full size",
    async (file) => {
      const { network, info, channelAxis } = loadModel(file);
      const scaling = { mean: [127.5], std: [63.75], channels: 3, channelOrder: "RGB" } as const;
      const size = { width: info.inputWidth, height: info.inputHeight };
      const preprocessing = { ...size, layout: channelAxis === 1 ? "NCHW" : "NHWC", ...scaling } as const;
      await expectAllOnGpu(network, preprocessing, { target: "top", classifyOnly: false, frames: 1 });
    },
    1_800_000,
  );
});

/** Explains pictures of noise on the GPU: all nodes are the GPU's, and the results are the processor's. */
async function expectAllOnGpu(
  network: Network,
  preprocessing: Preprocessing,
  { target, classifyOnly, frames: count }: { target: MethodOptions["target"]; classifyOnly: boolean; frames: number },
): Promise<void> {
  const { width, height } = preprocessing;
  const summary = { top: 3, grid: { rows: 3, columns: 4 }, blur: 1 };
  const program = framesProgram(network, { ...DEFAULT_METHOD, target }, preprocessing, summary, classifyOnly);
  const random = noise(3);
  const data = Uint8Array.from({ length: count * height * width * 3 }, () => 127.5 * (1 + random()));
  const frames = { data, dims: [count, height, width, 3] };
  const feeds: Feeds = classifyOnly ? { frames } : { frames, scale: { data: new Float32Array(count), dims: [count] } };
  const { results, placement } = await onWebgpu(program, feeds);
  expect([...placement.keys()], [...(placement.get("CPUExecutionProvider") ?? [])].join(", ")).toEqual([GPU]);
  const expected = await onOnnxruntime(program, feeds);
  expect(Object.keys(results).toSorted()).toEqual(Object.keys(expected).toSorted());
  for (const [output, { data: wanted, dims }] of Object.entries(expected)) {
    expect(results[output]!.dims, output).toEqual(dims);
    // Random weights may leave one class with all of the probability, and the order of the others to chance.
    if (output === "top_index" && Number(expected.top_probability!.data[1]) < 1e-30) continue;
    const [got, all] = [results[output]!.data, wanted].map((values) => Array.from(values, Number)) as [
      number[],
      number[],
    ];
    // One step of 255 where a number is rounded.
    expect(relativeError(got, all), output).toBeLessThan(output === "heatmap" ? 1 / 100 : TOLERANCE);
  }
}
