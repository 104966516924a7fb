import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { VideoExplainerError } from "../../../errors.js";
import { workerUrl } from "../../../worker-url.js";
import type { Device } from "../../engine-names.js";
import type { ElementKind, Program, ProgramPort } from "../../program/program.js";
import {
  checkFeeds,
  type Engine,
  type EngineOptions,
  type Ignored,
  type NumericTensor,
  type Prepared,
  type PreparingEngine,
  type ProgramSource,
  programOf,
  type Runner,
} from "../engine.js";
import { forceGc } from "../force-gc.js";
import { ignoredProfile } from "../ignored.js";
import { writeOnnx } from "../serialise.js";
import { passTrial } from "../trial/trial.js";
import { withWinograd } from "../winograd.js";
import { denseAsConv } from "./dense-as-conv.js";
import { keepPlanesDynamic } from "./keep-planes-dynamic.js";
import { type OpenVino, openVino, type Pointer } from "./library.js";
import { withNorms } from "./norms.js";

/** Name of the graph in a prepared folder. */
const GRAPH = "graph.onnx";

/** OpenVINO's names of devices. */
const PLUGINS: Partial<Record<Device, string>> = { cpu: "CPU", "intel-gpu": "GPU", "intel-npu": "NPU" };

/** Runs programs on OpenVINO, frame by frame. Calls block the thread they are made on: use it in a worker. */
export const openvinoRunner: Engine = async (source, options) => {
  const vino = libraryFor(options);
  if (options.shared !== undefined) return runner(vino, options.shared, programOf(source), options);
  const folder = mkdtempSync(path.join(tmpdir(), "video-explainer-"));
  try {
    const { open } = await openvinoPreparing.prepare(source, options, folder);
    return await open();
  } finally {
    // The compiled model has its own copy of the weights.
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
};

export const openvinoPreparing: PreparingEngine = {
  version: (options) => libraryFor(options).version,
  async prepare(source, options, folder) {
    libraryFor(options);
    const prepared = write(source, options, folder);
    // Both engines of the validation want the memory that the program has left behind.
    await forceGc();
    return { prepared, open: () => openvinoPreparing.open(folder, prepared, options) };
  },
  async open(folder, prepared, options) {
    const vino = libraryFor(options);
    const graph = path.join(folder, GRAPH);
    if (options.shared !== undefined) return runner(vino, options.shared, prepared, options);
    const at = { module: workerUrl(import.meta.url, "./runner.js").href, name: "openvinoPreparing", frames: 1 };
    const tried = { name: "openvino", version: vino.version, engine: at, graph, prepared };
    const verdict = options.skipValidation ? undefined : await passTrial(tried, options);
    return { ...runner(vino, compile(graph, options), prepared, options), verdict };
  },
};

const refused = (fault: string, cause?: unknown): VideoExplainerError =>
  new VideoExplainerError(
    "engine-refused",
    `the engine openvino cannot run this model (${fault}); take engine onnxruntime`,
    { cause },
  );

/** @throws VideoExplainerError `engine-missing` where it is not set up, or for a device that is not its own or not here */
function libraryFor({ device }: EngineOptions): OpenVino {
  const plugin = PLUGINS[device];
  if (plugin === undefined)
    throw new VideoExplainerError(
      "engine-missing",
      `the engine openvino does not run on ${device}; take engine onnxruntime`,
    );
  const vino = openVino();
  if (device !== "cpu" && !vino.devices().some(({ id }) => id.split(".")[0] === plugin))
    throw new VideoExplainerError(
      "engine-missing",
      `the engine openvino finds no ${device} here; install its driver, or take device cpu`,
    );
  return vino;
}

function write(source: ProgramSource, options: EngineOptions, folder: string): Prepared {
  const program = programOf(source);
  // Minimal filtering adds inputs up before it multiplies: in bfloat16 that costs more of the map than it gains.
  const fast = isHalf(options) ? program : withWinograd(program);
  const graph = withNorms(keepPlanesDynamic(denseAsConv(fast)));
  writeOnnx({ ...graph, inputs: graph.inputs.map(oneFrame) }, folder, GRAPH);
  return { inputs: program.inputs, outputs: program.outputs };
}

/** With every dim known its kernels are chosen and its memory laid out once. */
const oneFrame = (port: ProgramPort): ProgramPort => ({ ...port, dims: port.dims.map((d) => (d < 0 ? 1 : d)) });

const isHalf = ({ device, precision }: EngineOptions): boolean =>
  device === "cpu" && precision === "bfloat16" && openVino().bfloat16;

/** How a device compiles. Of the GPU float32 has to be asked for; the NPU has nothing but halves. */
function properties(options: EngineOptions): Record<string, string> {
  const { device, streams = 1, threads } = options;
  if (device === "intel-npu") return {};
  if (device === "intel-gpu") return { NUM_STREAMS: "1", INFERENCE_PRECISION_HINT: "f32" };
  return {
    NUM_STREAMS: String(streams),
    // Of all streams together; without, one a core.
    ...(threads > 0 && { INFERENCE_NUM_THREADS: String(streams * threads) }),
    INFERENCE_PRECISION_HINT: isHalf(options) ? "bf16" : "f32",
    // Threads bound to cores would wait there for decoding and drawing.
    ENABLE_CPU_PINNING: "NO",
  };
}

function compile(file: string, options: EngineOptions): Pointer {
  const vino = openVino();
  try {
    const model = vino.readModel(file);
    try {
      return vino.compile(model, PLUGINS[options.device]!, properties(options));
    } finally {
      vino.freeModel(model);
    }
  } catch (cause) {
    throw refused((cause as Error).message, cause);
  }
}

/** Kinds of numbers that programs take and give. */
const VIEWS: Partial<Record<ElementKind, (memory: ArrayBuffer) => NumericTensor["data"]>> = {
  float32: (memory) => new Float32Array(memory),
  uint8: (memory) => new Uint8Array(memory),
  int64: (memory) => new BigInt64Array(memory),
  bool: (memory) => new Uint8Array(memory),
};

/** Runners of this thread that are open. */
let open = 0;

function runner(
  vino: OpenVino,
  compiled: Pointer,
  { inputs, outputs }: Pick<Program, "inputs" | "outputs">,
  options: EngineOptions,
): Runner {
  const own = options.shared === undefined;
  const half = isHalf(options);
  open += 1;
  const close = (request?: Pointer): void => {
    if (request !== undefined) vino.freeRequest(request);
    // Requests of other threads keep what they share.
    if (own) vino.freeCompiled(compiled);
    open -= 1;
    if (open === 0) vino.release();
  };
  let request: Pointer;
  try {
    request = vino.createRequest(compiled);
  } catch (cause) {
    close();
    throw refused((cause as Error).message, cause);
  }
  const memoryOf = ({ name, kind }: ProgramPort) => VIEWS[kind]!(vino.memory(request, name));
  const name = `openvino-${options.device}${half ? "-bfloat16" : ""}`;
  const noHalf: Ignored = {
    options: ["precision"],
    why: `this ${options.device === "cpu" ? "processor" : "device"} does not compute in ${options.precision}`,
    instead: `the engine ${name} computes in float32 instead`,
  };
  return {
    name,
    shared: compiled,
    ignores: [
      ...((options.precision ?? "float32") !== "float32" && !half ? [noHalf] : []),
      ...ignoredProfile(name, options),
    ],
    async run(feeds) {
      checkFeeds("openvino", inputs, feeds);
      const frames = feeds[inputs[0]!.name]!.dims[0]!;
      const results: Record<string, NumericTensor> = {};
      for (let n = 0; n < frames; n++) {
        for (const port of inputs) {
          const { data } = feeds[port.name]!;
          const size = data.length / frames;
          (memoryOf(port) as Float32Array).set((data as Float32Array).subarray(n * size, (n + 1) * size));
        }
        vino.infer(request);
        for (const port of outputs) {
          const frame = memoryOf(port) as Float32Array;
          results[port.name] ??= {
            data: new (frame.constructor as Float32ArrayConstructor)(frames * frame.length),
            dims: port.dims.map((d) => (d < 0 ? frames : d)),
          };
          (results[port.name]!.data as Float32Array).set(frame, n * frame.length);
        }
      }
      return results;
    },
    async close() {
      close(request);
    },
  };
}
