import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import type { Accelerator } from "../../../src/explain/engines/devices/look.js";
import { DEFAULT_METHOD } from "../../../src/explain/options.js";
import { compileRunner } from "../../../src/explain/runtime/choose-device.js";
import type { ExplainerOptions } from "../../../src/explain/runtime/explainer-options.js";
import { temporaryFolder } from "../../support/folders.js";
import { requireSoftwareGpu } from "../../support/software-gpu.js";
import { goldenCase } from "../twin/golden.js";

// A GPU made of the processor compiles its kernels for seconds, on a busy machine for a minute.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

/** A small model in a folder, and a cache of its own. */
function options(more: Partial<ExplainerOptions> = {}): ExplainerOptions {
  const { model, logits } = goldenCase("dense");
  const folder = temporaryFolder();
  writeFileSync(join(folder, "model.onnx"), model);
  const labels = Array.from(logits[0]!, (_, k) => `class ${k}`);
  writeFileSync(join(folder, "model.yaml"), JSON.stringify({ name: "small", labels, input: { mean: 127.5, std: 64 } }));
  const summary = { top: 2, grid: { rows: 2, columns: 2 }, blur: 0 };
  const engine = { engine: "onnxruntime", device: "auto", threads: 1 } as const;
  return { ...DEFAULT_METHOD, ...summary, ...engine, model: folder, cache: temporaryFolder(), ...more };
}
const card: Accelerator = { engine: "onnxruntime", device: "webgpu", name: "Card", identity: "Card 1" };
const found =
  (...accelerators: Accelerator[]) =>
  () =>
    Promise.resolve(accelerators);

async function chosen(given: ExplainerOptions, look: () => Promise<Accelerator[]>) {
  const { runner, device } = await compileRunner(given, false, look);
  await runner.close();
  return { device, name: runner.name, skipped: runner.skipped };
}

describe("auto", () => {
  it("is the processor where there is no card, in two words, and nothing is timed", async () => {
    const given = options();
    const none = { device: "cpu", name: "onnxruntime-cpu", skipped: ["no graphics card"] };
    expect(await chosen(given, found())).toEqual(none);
    expect(readdirSync(given.cache!)).toHaveLength(1);
  });

  it("is the processor where the card agrees but is slower, which is found out once", async () => {
    requireSoftwareGpu();
    const given = options();
    const first = await chosen(given, found(card));
    expect(first).toEqual({
      device: "cpu",
      name: "onnxruntime-cpu",
      skipped: [
        expect.stringMatching(
          /^webgpu \(Card\) takes \d+\.\d ms a frame and the processor \(onnxruntime-cpu\) \d+\.\d$/,
        ),
      ],
    });
    // The same figures: nothing was timed again.
    expect(await chosen(given, found(card))).toEqual(first);
    expect(readdirSync(join(given.cache!, "chosen"))).toHaveLength(1);
  });

  it("is the processor where the card is wrong about the model or dies of it, and one sentence says so", async () => {
    const before = process.env.NODE_OPTIONS;
    // Whatever is tried in a process of its own ends at once.
    process.env.NODE_OPTIONS = "--require=/nowhere/at/all.cjs";
    try {
      const { device, skipped } = await chosen(options(), found(card));
      expect(device).toBe("cpu");
      expect(skipped).toEqual([
        expect.stringMatching(/^the engine onnxruntime cannot run this model on webgpu \(.+\); take device cpu$/),
      ]);
    } finally {
      if (before === undefined) delete process.env.NODE_OPTIONS;
      else process.env.NODE_OPTIONS = before;
    }
  });

  it("is the processor where there is no place for the files of a trial", async () => {
    const given = options({ cache: "off" });
    vi.stubEnv("TMPDIR", "/nowhere");
    try {
      const { device, skipped } = await chosen(given, found(card));
      expect(device).toBe("cpu");
      expect(skipped).toEqual([
        expect.stringMatching(
          /^the engine onnxruntime cannot try this model on webgpu, as there is no place for its files \(ENOENT.*\); make room in \/nowhere, or take device cpu$/,
        ),
      ]);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it("passes over a card whose engine is not there", async () => {
    const intel: Accelerator = { engine: "openvino", device: "intel-gpu", name: "Iris", identity: "Iris 1" };
    const before = process.env.OPENVINO_LIBRARIES;
    process.env.OPENVINO_LIBRARIES = "off";
    try {
      const { device, skipped } = await chosen(options({ engine: "auto" }), found(intel));
      expect(device).toBe("cpu");
      expect(skipped![0]).toBe("the engine openvino is not set up here; run npm run setup:openvino");
    } finally {
      if (before === undefined) delete process.env.OPENVINO_LIBRARIES;
      else process.env.OPENVINO_LIBRARIES = before;
    }
  });
});

describe("a device that is asked for by name", () => {
  it("is an error where it is not there, whatever else is", async () => {
    process.env.VK_DRIVER_FILES = "/nowhere.json";
    await expect(chosen(options({ device: "webgpu", engine: "auto" }), found())).rejects.toThrow(
      /^the engine onnxruntime cannot run this model on webgpu \(there is no graphics card here that WebGPU can use\)$/,
    );
    await expect(chosen(options({ device: "intel-gpu" }), found())).rejects.toThrow(
      "the engine onnxruntime does not run on intel-gpu; take engine openvino",
    );
  });
});
