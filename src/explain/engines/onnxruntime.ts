import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { VideoExplainerError } from "../../errors.js";
import type { Program } from "../program/program.js";
import { keepBlocked } from "./blocked-layout.js";
import type { EngineOptions, NumericTensor, Runner } from "./engine.js";
import { toOnnx } from "./serialise.js";

type Ort = typeof import("onnxruntime-node");
type SessionOptions = InferenceSession.SessionOptions;
/** Only what is fatal: errors arrive as exceptions anyway. */
const QUIET = 4;
/** Larger constants go into a file of their own, which threads of one process share. */
const INLINE_BYTES = 2048;
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
  const sessionOptions: SessionOptions = {
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
  // What the runner keeps must not hold the program: its constants are as large as the model.
  const { inputs: inputPorts, outputs: outputPorts } = program;
  const file = toOnnx(program);
  const blocked = options.device === "cpu" ? await blockedSession(ort, file, sessionOptions) : undefined;
  const session =
    blocked ??
    (await ort.InferenceSession.create(file, sessionOptions).catch((cause: Error) => {
      throw new VideoExplainerError(
        "engine-refused",
        `the engine onnxruntime cannot run this model on ${options.device} (${cause.message.split("\n")[0]}).`,
        { cause },
      );
    }));
  return {
    name: `onnxruntime-${options.device}`,
    async run(feeds) {
      const inputs: Record<string, Tensor> = {};
      for (const port of inputPorts) {
        const feed = feeds[port.name]!;
        inputs[port.name] = new ort.Tensor(port.kind as "float32", feed.data as Float32Array, feed.dims as number[]);
      }
      const results = await session.run(inputs);
      return Object.fromEntries(
        outputPorts.map(({ name }) => [
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

/**
 * A session that stays in onnxruntime's blocked layout (see `keepBlocked`); undefined where it has none or does not take
 * its own files back, in which case the plain session is as right, only slower.
 */
async function blockedSession(
  ort: Ort,
  file: Uint8Array,
  options: SessionOptions,
): Promise<InferenceSession | undefined> {
  let folder: string | undefined;
  try {
    folder = mkdtempSync(path.join(tmpdir(), "video-explainer-"));
    const at = (name: string): string => path.join(folder!, name);
    const first = await ort.InferenceSession.create(file, {
      ...options,
      enableProfiling: false,
      optimizedModelFilePath: at("optimised.onnx"),
      extra: {
        session: {
          ...(options.extra?.session as object),
          optimized_model_external_initializers_file_name: "weights.bin",
          optimized_model_external_initializers_min_size_in_bytes: String(INLINE_BYTES),
        },
      },
    });
    await first.release();
    writeFileSync(at("blocked.onnx"), keepBlocked(readFileSync(at("optimised.onnx"))));
    return await ort.InferenceSession.create(at("blocked.onnx"), { ...options, graphOptimizationLevel: "disabled" });
  } catch {
    return undefined;
  } finally {
    // The session has mapped its weights: they stay after their file is gone.
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
