import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { temporaryFolder } from "../support/folders.js";
import { runCli } from "./run-cli.js";

const MODEL = join(import.meta.dirname, "../../models/inspection-cnn");
const CARD = { NODE_OPTIONS: `--require=${join(import.meta.dirname, "../support/pretended-card.cjs")}` };

function config(): string {
  const folder = temporaryFolder();
  const file = join(folder, "config.yaml");
  const engine = { cache: join(folder, "cache") };
  const sources = [{ name: "cam", url: "testsrc" }];
  writeFileSync(file, stringify({ model: { path: MODEL }, engine, sources, sinks: [{ kind: "stdout" }] }));
  return file;
}

describe("video-explainer validate --device", () => {
  it("prints how the model's maps agree with the processor's, as YAML's comment or in JSON", async () => {
    const file = config();
    const { code, stdout, stderr } = await runCli(["validate", file, "--device", "webgpu"], CARD);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout.trim().split("\n").at(-1)).toMatch(
      /^# onnxruntime-webgpu agrees with the processor: largest difference \d\.\de[+-]\d+ of the largest relevance, correlation 1\.000000, the same class$/,
    );
    const json = await runCli(["validate", file, "--device", "webgpu", "--json"], CARD);
    expect(JSON.parse(json.stdout).trial).toMatchObject({
      engine: "onnxruntime-webgpu",
      agreement: { sameClass: true },
      skipped: [],
    });
  });
  it("says so by one sentence, and exits 1, where the device is not there or the trial is not passed", async () => {
    const file = config();
    const without = { VK_DRIVER_FILES: "/nowhere.json" };
    expect(await runCli(["validate", file, "--device", "webgpu"], without)).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "video-explainer: the engine onnxruntime cannot run this model on webgpu (there is no graphics card here that WebGPU can use)\n",
    });
    const other = await runCli(["validate", file, "--engine", "onnxruntime", "--device", "intel-gpu"]);
    expect([other.code, other.stderr]).toEqual([
      1,
      "video-explainer: the engine onnxruntime does not run on intel-gpu; take engine openvino\n",
    ]);
  });
  it("says of onnxruntime on the processor that it is what others are held against", async () => {
    const { code, stdout } = await runCli(["validate", config(), "--engine", "onnxruntime", "--device", "cpu"]);
    expect(code).toBe(0);
    expect(stdout.trim().split("\n").at(-1)).toBe(
      "# onnxruntime-cpu is what other engines and devices are held against",
    );
  });
});

describe("every command with an engine", () => {
  it.each(["explain", "attribute", "bench", "validate"])("%s takes a device", async (command) => {
    const { stdout } = await runCli([command, "--help"]);
    expect(stdout).toMatch(/--engine <name>/);
    expect(stdout.replace(/\s+/g, " ")).toMatch(
      /--device <name> .*"auto", "cpu", "cuda", "tensorrt", "webgpu", "intel-gpu", "intel-npu"/,
    );
  });
});
