import { fileURLToPath } from "node:url";
import type { NumericTensor, Runner } from "../../../src/explain/engines/engine.js";
import { onnxruntimeRunner } from "../../../src/explain/engines/onnxruntime.js";
import { openVino } from "../../../src/explain/engines/openvino/library.js";
import { openvinoRunner } from "../../../src/explain/engines/openvino/runner.js";
import { tfjsRunner } from "../../../src/explain/engines/tfjs/runner.js";
import { type BackendChoice, loadBackend } from "../../../src/explain/engines/tfjs/tensorflow.js";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { importOnnx } from "../../../src/explain/onnx/import.js";
import { DEFAULT_METHOD } from "../../../src/explain/options.js";
import { Emitter, type Value } from "../../../src/explain/program/emitter.js";
import type { Program } from "../../../src/explain/program/program.js";
import { tensorProgram } from "../../../src/explain/programs/tensor.js";
import type { GoldenCase } from "../twin/golden.js";
import type { TwinOptions } from "../twin/twin.js";

const OPTIONS = { device: "cpu", threads: 1 } as const;
export type Feeds = Record<string, NumericTensor>;

/** The program of a golden case and the frames it is about. */
export function goldenProgram(
  golden: GoldenCase,
  options: TwinOptions,
  network = canonicalise(importOnnx(golden.model)),
): { program: Program; feeds: Feeds } {
  const { method, inputRule, start, target } = { ...DEFAULT_METHOD, ...options };
  const channelAxis = golden.shape[1] === golden.low.length ? 1 : golden.shape.length - 1;
  const range = { low: golden.low, high: golden.high, channelAxis };
  const program = tensorProgram(network, { method, inputRule, start, target }, range);
  const data = Float32Array.from(golden.frames.flatMap((frame) => Array.from(frame)));
  return { program, feeds: { input: { data, dims: [golden.frames.length, ...golden.shape.slice(1)] } } };
}

/** A program of one input `x` and one output `y`. */
export function programOf(dims: readonly number[], emit: (e: Emitter, x: Value) => Value): Program {
  const e = new Emitter();
  const x = e.input("x", "float32", dims);
  e.output(
    emit(e, x),
    "y",
    "float32",
    dims.map(() => -1),
  );
  return e.finish();
}

async function once(made: Promise<Runner>, feeds: Feeds): Promise<Feeds> {
  const runner = await made;
  try {
    return await runner.run(feeds);
  } finally {
    await runner.close();
  }
}

export const onOnnxruntime = (program: Program, feeds: Feeds): Promise<Feeds> =>
  once(onnxruntimeRunner(program, OPTIONS), feeds);
export const onOpenvino = (program: Program, feeds: Feeds): Promise<Feeds> =>
  once(openvinoRunner(program, { ...OPTIONS, skipValidation: true }), feeds);
export const onTfjs = (choice: BackendChoice, program: Program, feeds: Feeds): Promise<Feeds> =>
  once(tfjsRunner(program, OPTIONS, choice), feeds);

/** Where `npm test` puts OpenVINO: the engine `auto` finds it there only in tests that ask for it. */
export const OPENVINO = fileURLToPath(new URL("../../../node_modules/.cache/openvino", import.meta.url));
/** Fails with what to do where it is not set up. */
export function requireOpenvino(): void {
  process.env.OPENVINO_LIBRARIES = OPENVINO;
  openVino();
}

/** Fails with what to do where the binding is not built. */
export const requireNative = async (): Promise<void> => {
  await loadBackend("native");
};
