import { describe, expect, it } from "vitest";
import { configSchema } from "../../../src/config/schema.js";
import { type Runner, withoutEffect } from "../../../src/explain/engines/engine.js";
import { describeEngine, ENGINES, engineNamed } from "../../../src/explain/engines/registry.js";
import { tfjsRunner } from "../../../src/explain/engines/tfjs/runner.js";
import { Emitter } from "../../../src/explain/program/emitter.js";

const NAMES = ["auto", ...Object.keys(ENGINES)];
const OPTIONS = { device: "cpu", threads: 1 } as const;

const ignoredBy = ({ ignores = [] }: Runner): string[] => ignores.flatMap(({ options }) => options);

function doubling(op = "Add") {
  const e = new Emitter();
  const x = e.input("x", "float32", [-1, 2]);
  e.output(e.op(op, [x, x]), "y", "float32", [-1, 2]);
  return e.finish();
}

describe("an engine by name", () => {
  it("is taken from the configuration's own list", () => {
    const { kind } = configSchema.shape.engine.unwrap().shape;
    expect(kind.unwrap().options).toEqual(NAMES);
  });
  it("is refused by one sentence that lists the known ones", () => {
    expect(() => engineNamed("tensorrt")).toThrow(
      'engine "tensorrt" is not known; known are auto, openvino, onnxruntime, tfjs',
    );
  });
  // OpenVINO, which other tests set up, has a file of its own.
  it.each(NAMES.filter((name) => name !== "openvino"))("%s runs a program", async (name) => {
    const runner = await engineNamed(name)(doubling(), OPTIONS);
    const { y } = await runner.run({ x: { data: Float32Array.of(1, 2), dims: [1, 2] } });
    await runner.close();
    expect(y).toEqual({ data: Float32Array.of(2, 4), dims: [1, 2] });
  });
  it("onnxruntime takes no picture of other dims than the program's", async () => {
    const runner = await engineNamed("onnxruntime")(doubling(), OPTIONS);
    await expect(runner.run({ x: { data: Float32Array.of(1, 2, 3), dims: [1, 3] } })).rejects.toThrow(
      "the engine onnxruntime was given x of 1 x 3 where N x 2 is wanted",
    );
    await runner.close();
  });
  it("is onnxruntime when left to choose where OpenVINO is not set up, and says how to", async () => {
    const runner = await engineNamed("auto")(doubling(), OPTIONS);
    await runner.close();
    expect(describeEngine(runner)).toBe(
      "onnxruntime-cpu (not taken: the engine openvino is not set up here; run npm run setup:openvino)",
    );
  });
});

describe("the line for the log", () => {
  it("says why better engines were not taken", () => {
    expect(describeEngine({ name: "tfjs-wasm-slow", skipped: ["a is not built here", "b is missing"] })).toBe(
      "tfjs-wasm-slow (not taken: a is not built here; b is missing)",
    );
  });
});

describe("an operation that tfjs does not know", () => {
  it("is refused by name before any run", async () => {
    await expect(tfjsRunner(doubling("Hardmax"), OPTIONS)).rejects.toThrow(
      /^the engine tfjs does not know the operation Hardmax \(hardmax_0\); take engine onnxruntime$/,
    );
  });
});

describe("options without effect", () => {
  const run = async (options: Parameters<typeof tfjsRunner>[1], choice: "native" | "wasm") => {
    const runner = await tfjsRunner(doubling(), options, choice);
    await runner.close();
    return runner;
  };
  it("are told in one sentence where they were given", async () => {
    const runner = await run({ device: "webgpu", threads: 2 }, "wasm");
    expect(ignoredBy(runner)).toEqual(["device", "threads"]);
    expect(withoutEffect(runner, { device: "webgpu", threads: 2 })).toBe(
      "the engine tfjs-wasm-slow chooses its device and the threads of a run by itself: device webgpu and threads 2 have no effect there, and would have with the engine onnxruntime",
    );
    expect(withoutEffect(runner, { threads: 2 })).toContain("threads 2 has no effect there");
    expect(withoutEffect(runner, {})).toBeUndefined();
  });
  it("are none where WebAssembly runs on the one thread that was asked for", async () => {
    expect(ignoredBy(await run(OPTIONS, "wasm"))).toEqual([]);
  });
  it("are the threads of the native binding, whose pool is the process's", async () => {
    expect(ignoredBy(await run({ ...OPTIONS, profile: "p" }, "native"))).toContain("threads");
    expect(ignoredBy(await run({ ...OPTIONS, profile: "p" }, "native"))).toContain("profile");
  });
  it("are told of a precision that only another engine has", async () => {
    const runner = await engineNamed("onnxruntime")(doubling(), { ...OPTIONS, precision: "bfloat16" });
    await runner.close();
    expect(withoutEffect(runner, { precision: "bfloat16" })).toBe(
      "the engine onnxruntime-cpu computes in float32: precision bfloat16 has no effect there, and would have with the engine openvino",
    );
  });
  it("are none with onnxruntime", async () => {
    const runner = await engineNamed("onnxruntime")(doubling(), OPTIONS);
    await runner.close();
    expect(withoutEffect(runner, OPTIONS)).toBeUndefined();
  });
});
