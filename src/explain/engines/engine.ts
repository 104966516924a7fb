import { VideoExplainerError } from "../../errors.js";
import type { Device, Precision } from "../engine-names.js";
import type { Program, ProgramPort } from "../program/program.js";

export interface NumericTensor {
  data: Float32Array | Uint8Array | BigInt64Array;
  dims: readonly number[];
}

export interface EngineOptions {
  device: Device;
  /** Threads inside one run; 0 takes one per core. */
  threads: number;
  /** Of the numbers in between; default float32. */
  precision?: Precision;
  /** Runs at once that a compiled program should be ready for when threads share it; default 1. */
  streams?: number;
  /** What another thread of the process compiled: its runner's `shared`. */
  shared?: bigint;
  /** Skips what guards against an engine that dies of a program or is wrong about it, where that is known not to happen. */
  trusted?: boolean;
  /** Folder that remembers what was guarded against; null: none. Default: where the system keeps caches. */
  trials?: string | null;
  /** Write a profile of each operation into files that begin so. */
  profile?: string;
}

/** A program made ready to run. */
export interface Runner {
  /** Engine and device, e.g. `onnxruntime-cpu`. */
  readonly name: string;
  /** Why each better engine was not taken. */
  readonly passed?: readonly string[];
  /** Options that have no effect on it as they are. */
  readonly ignores?: readonly (keyof EngineOptions)[];
  /** Where other threads of the process find what was compiled, on engines that share it. */
  readonly shared?: bigint;
  run(feeds: Record<string, NumericTensor>): Promise<Record<string, NumericTensor>>;
  close(): Promise<void>;
}

/** A program, or what makes it: then nobody but the engine holds its constants, which are as large as the model. */
export type ProgramSource = Program | (() => Program);
export const programOf = (source: ProgramSource): Program => (typeof source === "function" ? source() : source);

export type Engine = (program: ProgramSource, options: EngineOptions) => Promise<Runner>;

/** What an engine keeps of a program in a folder, beside its files. */
export interface Prepared {
  inputs: readonly ProgramPort[];
  outputs: readonly ProgramPort[];
}

/** An engine whose work on a program can be kept: the next start opens the folder instead of the program. */
export interface PreparingEngine<P extends Prepared = Prepared> {
  /**
   * Of its library: what another version prepared is not opened.
   * @throws VideoExplainerError `engine-missing` where the engine is not there, or not for the device
   */
  version(options: EngineOptions): string;
  prepare(
    source: ProgramSource,
    options: EngineOptions,
    folder: string,
  ): Promise<{ prepared: P; open(): Promise<Runner> }>;
  /** The folder is not needed once the runner is there. */
  open(folder: string, prepared: P, options: EngineOptions): Promise<Runner>;
}

/** @throws VideoExplainerError where dims are not the program's */
export function checkFeeds(engine: string, inputs: readonly ProgramPort[], feeds: Record<string, NumericTensor>): void {
  for (const { name, dims } of inputs) {
    const given = feeds[name]!.dims;
    if (given.length === dims.length && dims.every((d, k) => d < 0 || d === given[k])) continue;
    throw new VideoExplainerError(
      "engine-input",
      `the engine ${engine} was given ${name} of ${given.join(" x ")} where ${dims.map((d) => (d < 0 ? "N" : d)).join(" x ")} is wanted`,
    );
  }
}

/** What is said of the options that somebody gave and that have no effect, in one sentence; undefined where there are none. */
export function withoutEffect(
  { name, ignores = [] }: Pick<Runner, "name" | "ignores">,
  given: Partial<EngineOptions>,
): string | undefined {
  const lost = (keys: readonly (keyof EngineOptions)[]): string[] =>
    ignores.flatMap((key) => (keys.includes(key) && given[key] !== undefined ? [`${key} ${given[key]}`] : []));
  const precision = lost(["precision"]).map((words) =>
    name.startsWith("openvino")
      ? `this processor does not compute in ${given.precision}: the engine ${name} computes in float32 instead`
      : `the engine ${name} computes in float32: ${words} has no effect there, and would have with the engine openvino`,
  );
  const profile = lost(["profile"]).map(
    (words) => `the engine ${name} writes no profile: ${words} has no effect there`,
  );
  const own = lost(["device", "threads"]);
  const verb = own.length === 1 ? "has" : "have";
  const choice =
    own.length === 0
      ? []
      : [
          `the engine ${name} chooses its device and the threads of a run by itself: ${own.join(" and ")} ${verb} no effect there, and would have with the engine onnxruntime`,
        ];
  const all = [...choice, ...precision, ...profile];
  return all.length === 0 ? undefined : all.join("; ");
}
