import { InputError, VideoExplainerError } from "../../errors.js";
import { type Device, ENGINE_NAMES, ENGINE_OF, type EngineName } from "../engine-names.js";
import type { Accelerator } from "./devices/look.js";
import type { Engine, EngineOptions, PreparingEngine, Runner } from "./engine.js";
import { onnxruntimePreparing, onnxruntimeRunner } from "./onnxruntime.js";
import { openvinoPreparing, openvinoRunner } from "./openvino/runner.js";
import { tfjsRunner } from "./tfjs/runner.js";

/** Engines by name, best first. One line registers one. */
export const ENGINES: Record<string, Engine> = {
  openvino: openvinoRunner,
  onnxruntime: onnxruntimeRunner,
  tfjs: (program, options) => tfjsRunner(program, options),
} satisfies Record<EngineName, Engine>;

/** What engines make of a program can be kept; TensorFlow.js interprets it. */
const PREPARING: Record<string, PreparingEngine> = {
  openvino: openvinoPreparing,
  onnxruntime: onnxruntimePreparing as PreparingEngine,
};

/** Engines that are meant by a name: `auto` is the best that loads, on another device than the processor the one that has it. */
function namesFor(given: string, { device }: EngineOptions): readonly string[] {
  if (given !== "auto") return [given];
  return device === "cpu" ? Object.keys(ENGINES) : [ENGINE_OF[device]];
}

/** `auto` is the best that loads. */
export function engineNamed(name: string): Engine {
  if (name === "auto") return bestEngine;
  if (Object.hasOwn(ENGINES, name)) return ENGINES[name]!;
  throw new InputError("unknown-engine", `engine "${name}" is not known; known are auto, ${ENGINE_NAMES.join(", ")}`);
}

/** An engine whose work can be kept. */
interface Chosen {
  name: string;
  version: string;
  engine: PreparingEngine;
  /** Why each better one was not taken. */
  skipped: readonly string[];
  /** The one to take where this one refuses the program. */
  next?: string;
}

/** The engine of that name, or the best that loads, where its work can be kept; undefined where it cannot. */
export function preparingNamed(given: string, options: EngineOptions): Chosen | undefined {
  const skipped: string[] = [];
  const names = namesFor(given, options);
  for (const [k, name] of names.entries()) {
    if (!Object.hasOwn(PREPARING, name)) return undefined;
    const engine = PREPARING[name]!;
    try {
      return { name, version: engine.version(options), engine, skipped, next: names[k + 1] };
    } catch (error) {
      if (!isSkippable(error) || names.length === 1) throw error;
      skipped.push(error.message);
    }
  }
  return undefined;
}

/** Whether an engine is not there, or does not take a program that others may. */
export const isSkippable = (error: unknown): error is VideoExplainerError =>
  error instanceof VideoExplainerError && (error.code === "engine-missing" || error.code === "engine-refused");

async function bestEngine(...args: Parameters<Engine>): Promise<Runner> {
  const skipped: string[] = [];
  const names = namesFor("auto", args[1]);
  for (const name of names) {
    try {
      const runner = await ENGINES[name]!(...args);
      return { ...runner, skipped: [...skipped, ...(runner.skipped ?? [])] };
    } catch (error) {
      if (!isSkippable(error) || names.length === 1) throw error;
      skipped.push(error.message);
    }
  }
  throw new VideoExplainerError(
    "engine-missing",
    `no engine can be loaded; run npm ci, and for TensorFlow npm run setup:tensorflow (${skipped.join("; ")})`,
  );
}

/** The devices beside the processor that a program may run on with the engine of that name; TensorFlow.js has its own. */
export const acceleratorsFor = (name: string, all: readonly Accelerator[]): readonly Accelerator[] =>
  all.filter(({ engine }) => name === "auto" || name === engine);

/**
 * Version of the library that runs an engine on a device.
 * @throws VideoExplainerError `engine-missing` where it is not there
 */
export const versionOf = (name: EngineName, device: Device): string => PREPARING[name]!.version({ device, threads: 0 });

/** One line for the log: which engine runs, and why better ones do not. */
export const describeEngine = ({ name, skipped = [] }: Pick<Runner, "name" | "skipped">): string =>
  skipped.length === 0 ? name : `${name} (not taken: ${skipped.join("; ")})`;
