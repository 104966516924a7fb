import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { VideoExplainerError } from "../../errors.js";
import { workerUrl } from "../../worker-url.js";
import { Emitter } from "../program/emitter.js";
import type { Program } from "../program/program.js";
import { blockOf, keepBlocked } from "./blocked-layout.js";
import {
  checkFeeds,
  type EngineOptions,
  type NumericTensor,
  type Prepared,
  type PreparingEngine,
  type ProgramSource,
  programOf,
  type Runner,
  type Verdict,
} from "./engine.js";
import { forceGc } from "./force-gc.js";
import { withHalves } from "./half-precision.js";
import { ignoredPrecision } from "./ignored.js";
import { createSession, loadOnnxruntime, type Ort, providersOf } from "./onnxruntime-session.js";
import { isProviderDevice } from "./providers/libraries.js";
import { requireProvider } from "./providers/providers.js";
import { type Graph, type MixedGraph, toOnnx, writeOnnx } from "./serialise.js";
import { passTrial } from "./trial/trial.js";
import { classesInFloat } from "./webgpu/classes-in-float.js";
import { roundAsFloor } from "./webgpu/round-as-floor.js";
import { widenThirds } from "./webgpu/widen-thirds.js";
import { withWinograd } from "./winograd.js";

/** Numbers of a matrix beyond which a second copy costs more memory than its order brings: reading it is what takes time. */
const MAX_PACKED_ELEMENTS = 2 ** 22;
/** Larger constants go into a file of their own, which threads of one process share. */
const INLINE_BYTES = 2048;
/** Keeps the graph as onnxruntime has optimised it for this processor. */
export const onnxruntimePreparing: PreparingEngine<OrtPrepared> = {
  version: (options) => {
    providersOf(options);
    if (isProviderDevice(options.device)) requireProvider(options.device);
    return loadOnnxruntime().env.versions.node ?? "";
  },
  prepare: prepareOnnxruntime,
  open: openPrepared,
};

/** Runs programs as ONNX on onnxruntime. Calls block the thread they are made on: use it in a worker. */
export async function onnxruntimeRunner(source: ProgramSource, options: EngineOptions): Promise<Runner> {
  const ort = loadOnnxruntime();
  let folder: string | undefined;
  try {
    folder = mkdtempSync(path.join(tmpdir(), "video-explainer-"));
    const { open } = await prepareOnnxruntime(source, options, folder);
    return await open();
  } catch (error) {
    if (error instanceof VideoExplainerError) throw error;
    if (options.device !== "cpu") {
      const { message } = error as Error;
      throw new VideoExplainerError(
        "engine-refused",
        `the engine onnxruntime cannot try this model on ${options.device}, as there is no place for its files (${message}); make room in ${tmpdir()}, or take device cpu`,
        { cause: error },
      );
    }
    // Without one, or room there, the plain session, made in memory, is as right, only slower.
    const program = programOf(source);
    const { inputs, outputs } = program;
    return runner(ort, await createSession(ort, toOnnx(program), options, "all"), { inputs, outputs }, options);
  } finally {
    // The session has mapped its weights: they stay after their file is gone.
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

interface OrtPrepared extends Prepared {
  /** Whether onnxruntime may keep matrices a second time in the order that its kernels like best. */
  packs: boolean;
  /** Whether the graph is optimised already and stays as it is (see `keepBlocked`). */
  blocked: boolean;
}

/** Name of the graph in a prepared folder. */
const GRAPH = "graph.onnx";

/**
 * Writes what a session is made of into a folder: on a CPU the graph in onnxruntime's blocked layout, its weights beside it;
 * `open` gives the runner.
 */
export async function prepareOnnxruntime(
  source: ProgramSource,
  options: EngineOptions,
  folder: string,
): Promise<{ prepared: OrtPrepared; open(): Promise<Runner> }> {
  const ort = loadOnnxruntime();
  const width = options.device === "cpu" ? await blockWidth(ort, folder) : undefined;
  const ports = write(source, folder, options, width !== undefined);
  await forceGc();
  const session = options.device === "cpu" ? await block(ort, folder, options, ports.packs, width ?? 1) : undefined;
  const prepared = { ...ports, blocked: session !== undefined };
  return {
    prepared,
    open: async () => {
      if (session === undefined) return openPrepared(folder, prepared, options);
      const verdict = await tried(folder, prepared, options);
      return { ...runner(ort, session, prepared, options), verdict };
    },
  };
}

/** Processors multiply float16 no faster, where they do at all. */
const isHalf = ({ device, precision }: EngineOptions): boolean => device !== "cpu" && precision === "float16";

/** The program as the provider of the device computes it rightly, and all of it, in the precision that is asked for. */
function graphFor(program: Program, options: EngineOptions): MixedGraph {
  const graph: Graph = options.device === "webgpu" ? roundAsFloor(widenThirds(classesInFloat(program))) : program;
  return isHalf(options) ? withHalves(graph) : graph;
}

/** Channels that onnxruntime keeps side by side on this CPU; undefined where it has no blocked layout, or no room to say so. */
async function blockWidth(ort: Ort, folder: string): Promise<number | undefined> {
  const e = new Emitter();
  const x = e.input("x", "float32", [-1, 16, 1, 1]);
  const w = e.tensor(new Float32Array(16), [1, 16, 1, 1]);
  const window = { kernel: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] } as const;
  e.output(e.conv(x, w, undefined, window), "y", "float32", [-1, 1, 1, 1]);
  const optimizedModelFilePath = path.join(folder, "probe.onnx");
  try {
    const options = { device: "cpu", threads: 1 } as const;
    const session = await createSession(ort, toOnnx(e.finish()), options, "all", true, { optimizedModelFilePath });
    await session.release();
    return blockOf(readFileSync(optimizedModelFilePath));
  } catch {
    return undefined;
  } finally {
    rmSync(optimizedModelFilePath, { force: true });
  }
}

/** Writes the graph; what is left of the program is its ports. */
function write(
  source: ProgramSource,
  folder: string,
  options: EngineOptions,
  blocked: boolean,
): Omit<OrtPrepared, "blocked"> {
  const program = programOf(source);
  writeOnnx(blocked ? withWinograd(program) : graphFor(program, options), folder, GRAPH);
  const { inputs, outputs, constants } = program;
  const large = constants.some((c) => c.dims.length === 2 && c.data.length > MAX_PACKED_ELEMENTS);
  return { inputs, outputs, packs: !large };
}

/**
 * A session that stays in onnxruntime's blocked layout, its graph in the folder instead of the plain one; undefined where
 * there is none or onnxruntime does not take its own files back, in which case the plain graph is as right, only slower.
 */
async function block(
  ort: Ort,
  folder: string,
  options: EngineOptions,
  packs: boolean,
  width: number,
): Promise<InferenceSession | undefined> {
  const at = (name: string): string => path.join(folder, name);
  try {
    const first = await createSession(ort, at(GRAPH), { ...options, profile: undefined }, "all", packs, {
      optimizedModelFilePath: at("optimised.onnx"),
      extra: {
        optimized_model_external_initializers_file_name: "blocked.weights",
        optimized_model_external_initializers_min_size_in_bytes: String(INLINE_BYTES),
      },
    });
    await first.release();
    writeFileSync(at("blocked.onnx"), keepBlocked(readFileSync(at("optimised.onnx")), width));
    const session = await createSession(ort, at("blocked.onnx"), options, "disabled", packs);
    renameSync(at("blocked.onnx"), at(GRAPH));
    rmSync(at(`${GRAPH}.weights`), { force: true });
    return session;
  } catch {
    rmSync(at("blocked.weights"), { force: true });
    return undefined;
  } finally {
    for (const name of ["optimised.onnx", "blocked.onnx"]) rmSync(at(name), { force: true });
  }
}

/** A runner of what `prepareOnnxruntime` left in a folder; the folder is not needed once it is there. */
export async function openPrepared(folder: string, prepared: OrtPrepared, options: EngineOptions): Promise<Runner> {
  const ort = loadOnnxruntime();
  const verdict = await tried(folder, prepared, options);
  const session = await createSession(
    ort,
    path.join(folder, GRAPH),
    options,
    prepared.blocked ? "disabled" : "all",
    prepared.packs,
  );
  return { ...runner(ort, session, prepared, options), verdict };
}

/**
 * The trial of what `prepareOnnxruntime` left in a folder. On the processor, which all else is held against, it is only timed.
 * @throws VideoExplainerError `engine-refused`
 */
async function tried(folder: string, prepared: OrtPrepared, options: EngineOptions): Promise<Verdict | undefined> {
  const isReference = options.device === "cpu";
  if (options.skipValidation || (isReference && !options.measure)) return undefined;
  const engine = {
    module: workerUrl(import.meta.url, "./onnxruntime.js").href,
    name: "onnxruntimePreparing",
    isReference,
  };
  const version = onnxruntimePreparing.version(options);
  return passTrial({ name: "onnxruntime", version, engine, graph: path.join(folder, GRAPH), prepared }, options);
}

function runner(
  ort: Ort,
  session: InferenceSession,
  { inputs, outputs }: Pick<Program, "inputs" | "outputs">,
  options: EngineOptions,
): Runner {
  const name = `onnxruntime-${options.device}${isHalf(options) ? "-float16" : ""}`;
  return {
    name,
    ignores: isHalf(options) ? [] : ignoredPrecision(name, options),
    async run(feeds) {
      // A prepared graph does not tell onnxruntime the dims.
      checkFeeds("onnxruntime", inputs, feeds);
      const given: Record<string, Tensor> = {};
      for (const port of inputs) {
        const feed = feeds[port.name]!;
        given[port.name] = new ort.Tensor(port.kind as "float32", feed.data as Float32Array, feed.dims as number[]);
      }
      const results = await session.run(given);
      return Object.fromEntries(
        outputs.map(({ name }) => [name, { data: results[name]!.data, dims: results[name]!.dims } as NumericTensor]),
      );
    },
    async close() {
      if (options.profile !== undefined) session.endProfiling();
      await session.release();
    },
  };
}
