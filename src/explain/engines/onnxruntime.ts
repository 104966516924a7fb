import { createRequire } from "node:module";
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { VideoExplainerError } from "../../errors.js";
import type { Program } from "../program/program.js";
import type { EngineOptions, NumericTensor, Runner } from "./engine.js";
import { toOnnx } from "./serialise.js";

type Ort = typeof import("onnxruntime-node");
/** Only what is fatal: errors arrive as exceptions anyway. */
const QUIET = 4;
let runtime: Ort | undefined;

function load(): Ort {
  if (runtime) return runtime;
  try {
    runtime = createRequire(import.meta.url)("onnxruntime-node") as Ort;
  } catch (cause) {
    throw new VideoExplainerError(
      "engine-missing",
      `the engine onnxruntime cannot be loaded (${(cause as Error).message.split("\n")[0]}); run npm ci again.`,
      { cause },
    );
  }
  return runtime;
}

/** Runs programs as ONNX on onnxruntime. Calls block the thread they are made on: use it in a worker. */
export async function onnxruntimeRunner(program: Program, options: EngineOptions): Promise<Runner> {
  const ort = load();
  const sessionOptions: InferenceSession.SessionOptions = {
    executionProviders: options.device === "cuda" ? ["cuda", "cpu"] : ["cpu"],
    graphOptimizationLevel: "all",
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    logSeverityLevel: QUIET,
    enableProfiling: options.profile !== undefined,
    ...(options.profile === undefined ? {} : { profileFilePrefix: options.profile }),
    // Spinning threads would take the cores from decoding and drawing.
    extra: { session: { intra_op: { allow_spinning: "0" } } },
  };
  const session = await ort.InferenceSession.create(toOnnx(program), sessionOptions).catch((cause: Error) => {
    throw new VideoExplainerError(
      "engine-refused",
      `the engine onnxruntime cannot run this model on ${options.device} (${cause.message.split("\n")[0]}).`,
      { cause },
    );
  });
  return {
    name: `onnxruntime-${options.device}`,
    async run(feeds) {
      const inputs: Record<string, Tensor> = {};
      for (const port of program.inputs) {
        const feed = feeds[port.name]!;
        inputs[port.name] = new ort.Tensor(port.kind as "float32", feed.data as Float32Array, feed.dims as number[]);
      }
      const results = await session.run(inputs);
      return Object.fromEntries(
        program.outputs.map(({ name }) => [
          name,
          { data: results[name]!.data, dims: results[name]!.dims } as NumericTensor,
        ]),
      );
    },
    async close() {
      if (options.profile !== undefined) session.endProfiling();
      await session.release();
    },
  };
}
