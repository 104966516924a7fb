import { createRequire } from "node:module";
import type { InferenceSession } from "onnxruntime-node";
import { VideoExplainerError } from "../../errors.js";
import type { Device } from "../engine-names.js";
import type { EngineOptions, NumericTensor } from "./engine.js";
import { isProviderDevice } from "./providers/libraries.js";
import { joinProviders, providerWords, requireProvider } from "./providers/providers.js";
import { keepToOurselves } from "./telemetry.js";
import { quietVulkan } from "./webgpu/quiet-vulkan.js";

/** onnxruntime as it is loaded, and its sessions. */

export type Ort = typeof import("onnxruntime-node");
type SessionOptions = InferenceSession.SessionOptions;
/** Only what is fatal: errors arrive as exceptions anyway. */
const QUIET = 4;
/** Execution providers of a device, first choice first: what one does not know, the next runs. */
const PROVIDERS: Partial<Record<Device, string[]>> = {
  cpu: ["cpu"],
  cuda: ["cuda", "cpu"],
  tensorrt: ["tensorrt", "cuda", "cpu"],
  webgpu: ["webgpu", "cpu"],
};
let runtime: Ort | undefined;

export function loadOnnxruntime(): Ort {
  if (runtime) return runtime;
  keepToOurselves();
  joinProviders();
  try {
    runtime = createRequire(import.meta.url)("onnxruntime-node") as Ort;
    // What it warns of on its own, outside of any session, is nothing that a user could mend.
    runtime.env.logLevel = "fatal";
  } catch (cause) {
    throw new VideoExplainerError(
      "engine-missing",
      `the engine onnxruntime cannot be loaded (${(cause as Error).message.split("\n")[0]}); run npm ci again`,
      { cause },
    );
  }
  return runtime;
}

/** @throws VideoExplainerError `engine-missing` for a device that is not its own */
export function providersOf({ device }: EngineOptions): string[] {
  const providers = PROVIDERS[device];
  if (providers !== undefined) return providers;
  throw new VideoExplainerError(
    "engine-missing",
    `the engine onnxruntime does not run on ${device}; take engine openvino`,
  );
}

/** Runs an ONNX file once, on the processor. */
export async function runOnnx(
  file: string,
  feeds: Record<string, NumericTensor>,
): Promise<Record<string, NumericTensor>> {
  const ort = loadOnnxruntime();
  const session = await createSession(ort, file, { device: "cpu", threads: 0 }, "all");
  const given = Object.entries(feeds).map(([name, { data, dims }]) => {
    const kind = data instanceof Uint8Array ? "uint8" : "float32";
    return [name, new ort.Tensor(kind as "float32", data as Float32Array, [...dims])];
  });
  const results = await session.run(Object.fromEntries(given));
  await session.release();
  return results as unknown as Record<string, NumericTensor>;
}

/** @throws VideoExplainerError `engine-refused` */
export async function createSession(
  ort: Ort,
  model: string | Uint8Array,
  options: EngineOptions,
  graphOptimizationLevel: "all" | "disabled",
  packs = true,
  more: { optimizedModelFilePath?: string; extra?: Record<string, string> } = {},
): Promise<InferenceSession> {
  const { extra, ...rest } = more;
  if (isProviderDevice(options.device)) requireProvider(options.device);
  const sessionOptions: SessionOptions = {
    executionProviders: providersOf(options),
    graphOptimizationLevel,
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    // One plan for all of a run's memory takes more of it (100 MB on VGG16) and no less time.
    enableMemPattern: options.device !== "cpu",
    logSeverityLevel: QUIET,
    enableProfiling: options.profile !== undefined,
    ...(options.profile === undefined ? {} : { profileFilePrefix: options.profile }),
    ...rest,
    // Spinning threads would take the cores from decoding and drawing.
    extra: { session: { intra_op: { allow_spinning: "0" }, ...(packs ? {} : { disable_prepacking: "1" }), ...extra } },
  };
  if (options.device === "webgpu") quietVulkan();
  try {
    return await ort.InferenceSession.create(model as string, sessionOptions);
  } catch (cause) {
    const { message } = cause as Error;
    const why = isProviderDevice(options.device) ? providerWords(message, options.device) : plainWords(message);
    throw new VideoExplainerError(
      "engine-refused",
      `the engine onnxruntime cannot run this model on ${options.device} (${why})`,
      { cause },
    );
  }
}

/** Of what onnxruntime says the part that says something to a user: not the place in its sources, nor the check that failed there. */
function plainWords(message: string): string {
  if (message.includes("WebGPU adapter")) return "there is no graphics card here that WebGPU can use";
  return message.split("\n")[0]!.replace(/^\/\S+\.\w+:\d+ .* was false\. /, "");
}
