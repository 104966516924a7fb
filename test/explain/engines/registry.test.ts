import { describe, expect, it } from "vitest";
import { configSchema } from "../../../src/config/schema.js";
import { describeEngine, ENGINE_NAMES, engineNamed } from "../../../src/explain/engines/registry.js";
import { tfjsRunner } from "../../../src/explain/engines/tfjs/runner.js";
import { Emitter } from "../../../src/explain/program/emitter.js";

const OPTIONS = { device: "cpu", threads: 1 } as const;

function doubling(op = "Add") {
  const e = new Emitter();
  const x = e.input("x", "float32", [-1, 2]);
  e.output(e.op(op, [x, x]), "y", "float32", [-1, 2]);
  return e.finish();
}

describe("an engine by name", () => {
  it("is taken from the configuration's own list", () => {
    const { kind } = configSchema.shape.engine.unwrap().shape;
    expect(kind.unwrap().options).toEqual(ENGINE_NAMES);
  });
  it("is refused by one sentence that lists the known ones", () => {
    expect(() => engineNamed("tensorrt")).toThrow('engine "tensorrt" is not known; known are auto, onnxruntime, tfjs.');
  });
  it.each(ENGINE_NAMES)("%s runs a program", async (name) => {
    const runner = await engineNamed(name)(doubling(), OPTIONS);
    const { y } = await runner.run({ x: { data: Float32Array.of(1, 2), dims: [1, 2] } });
    await runner.close();
    expect(y).toEqual({ data: Float32Array.of(2, 4), dims: [1, 2] });
  });
  it("is onnxruntime when left to choose, and nothing better was passed over", async () => {
    const runner = await engineNamed("auto")(doubling(), OPTIONS);
    await runner.close();
    expect(describeEngine(runner)).toBe("onnxruntime-cpu");
  });
});

describe("the line for the log", () => {
  it("says why better engines were not taken", () => {
    expect(describeEngine({ name: "tfjs-wasm-slow", passed: ["a is not built here.", "b is missing"] })).toBe(
      "tfjs-wasm-slow (not taken: a is not built here; b is missing)",
    );
  });
});

describe("an operation that tfjs does not know", () => {
  it("is refused by name before any run", async () => {
    await expect(tfjsRunner(doubling("Hardmax"), OPTIONS)).rejects.toThrow(
      /^the engine tfjs does not know the operation Hardmax \(hardmax_0\); take engine onnxruntime\.$/,
    );
  });
});
