import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import type { KernelBackend, Tensor } from "@tensorflow/tfjs-core";
import { VideoExplainerError } from "../../../errors.js";

export type TensorFlow = typeof import("@tensorflow/tfjs-core");

/** What the native backends offer beside the kernels: any operation of TensorFlow by name. */
interface NativeBackend extends KernelBackend {
  isUsingGpuDevice: boolean;
  binding: Record<"TF_ATTR_TYPE" | "TF_FLOAT" | "TF_INT32" | "TF_BOOL", number>;
  executeSingleOutput(name: string, attributes: readonly unknown[], inputs: readonly Tensor[]): Tensor;
}

/** A backend that has been loaded. */
export interface Backend {
  /** E.g. `tfjs-native-cpu`. */
  name: string;
  /** Why each better one was not taken. */
  skipped: readonly string[];
}

const require = createRequire(import.meta.url);
const NATIVE = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"] as const;
/** As the packages of the binding register it. */
const NATIVE_BACKEND = "tensorflow";
const WASM = "@tensorflow/tfjs-backend-wasm";

let core: TensorFlow | undefined;
let native: NativeBackend | undefined;
const loaded = new Map<string, Backend>();

/** TensorFlow.js of this thread; `loadBackend` comes first. */
export function tf(): TensorFlow {
  if (!core) throw new VideoExplainerError("engine-missing", "TensorFlow.js is used before its backend was loaded");
  return core;
}

/** `condition ? a : b`; unlike `tf.where` nothing is broadcast in memory where the binding is at hand. */
export function select(condition: Tensor, a: Tensor, b: Tensor): Tensor {
  if (!native || core?.getBackend() !== NATIVE_BACKEND) return tf().where(condition, a, b);
  const { TF_ATTR_TYPE, TF_FLOAT, TF_INT32, TF_BOOL } = native.binding;
  const value = { float32: TF_FLOAT, int32: TF_INT32, bool: TF_BOOL }[a.dtype as "float32" | "int32" | "bool"];
  return native.executeSingleOutput("SelectV2", [{ name: "T", type: TF_ATTR_TYPE, value }], [condition, a, b]);
}

export type BackendChoice = "auto" | "native" | "wasm";

/**
 * Loads the best backend there is: the native binding, else WebAssembly, which is slow.
 * @throws VideoExplainerError when none loads
 */
export async function loadBackend(choice: BackendChoice = "auto"): Promise<Backend> {
  const known = loaded.get(choice);
  if (known) {
    await core!.setBackend(known.name.startsWith("tfjs-wasm") ? "wasm" : NATIVE_BACKEND);
    return known;
  }
  const skipped: string[] = [];
  const attempts = [
    ...(choice === "wasm" ? [] : NATIVE.map((name) => () => loadNative(name))),
    ...(choice === "native" ? [] : [loadWasm]),
  ];
  for (const attempt of attempts) {
    try {
      const backend = { name: await attempt(), skipped };
      loaded.set(choice, backend);
      return backend;
    } catch (error) {
      skipped.push((error as Error).message);
    }
  }
  throw new VideoExplainerError(
    "engine-missing",
    `the engine tfjs cannot be loaded (${skipped.join("; ")}); run npm run setup:tensorflow`,
  );
}

/**
 * Keeps TensorFlow from writing what it thinks of the processor to stderr. A worker thread's environment is a copy
 * that native code never sees: the main thread calls this before it starts any.
 */
export function quietTensorFlow(): void {
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "2";
}

function loadCore(): TensorFlow {
  core ??= require("@tensorflow/tfjs-core") as TensorFlow;
  return core;
}

async function loadNative(name: string): Promise<string> {
  quietTensorFlow();
  const own = loadCore();
  // Keeps the package from advertising the backend that is being loaded.
  own.env().set("IS_TEST", true);
  try {
    require(name);
  } catch (cause) {
    throw new Error(`${name}: ${reason(cause)}`, { cause });
  }
  if (!(await own.setBackend(NATIVE_BACKEND))) throw new Error(`${name}: its backend does not start`);
  native = own.backend() as NativeBackend;
  return `tfjs-native-${native.isUsingGpuDevice ? "gpu" : "cpu"}`;
}

async function loadWasm(): Promise<string> {
  const own = loadCore();
  try {
    const wasm = require(WASM) as { setWasmPaths(prefix: string): void };
    const folder = dirname(require.resolve(`${WASM}/dist/tfjs-backend-wasm.wasm`));
    wasm.setWasmPaths(`${folder}/`);
    readFileSync(`${folder}/tfjs-backend-wasm-simd.wasm`);
    if (!(await own.setBackend("wasm"))) throw new Error("its backend does not start");
  } catch (cause) {
    throw new Error(`${WASM}: ${reason(cause)}`, { cause });
  }
  return "tfjs-wasm-slow";
}

const reason = (error: unknown): string => {
  const first = (error as Error).message.split("\n").find((line) => line.trim() !== "") ?? String(error);
  return /Cannot find module|native addon module|tfjs_binding/.test(first) ? "is not built here" : first.trim();
};
