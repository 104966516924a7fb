import type { Device } from "../devices.js";
import type { Program } from "../program/program.js";

export interface NumericTensor {
  data: Float32Array | Uint8Array | BigInt64Array;
  dims: readonly number[];
}

export interface EngineOptions {
  device: Device;
  /** Threads inside one run; 0 takes one per core. */
  threads: number;
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
  run(feeds: Record<string, NumericTensor>): Promise<Record<string, NumericTensor>>;
  close(): Promise<void>;
}

/** A program, or what makes it: then nobody but the engine holds its constants, which are as large as the model. */
export type ProgramSource = Program | (() => Program);
export const programOf = (source: ProgramSource): Program => (typeof source === "function" ? source() : source);

export type Engine = (program: ProgramSource, options: EngineOptions) => Promise<Runner>;

/** One sentence about the options that somebody gave and that have no effect; undefined where there are none. */
export function withoutEffect(
  { name, ignores = [] }: Pick<Runner, "name" | "ignores">,
  given: Partial<EngineOptions>,
): string | undefined {
  const lost = ignores.flatMap((key) => (given[key] === undefined ? [] : [`${key} ${given[key]}`]));
  if (lost.length === 0) return undefined;
  const verb = lost.length === 1 ? "has" : "have";
  return `the engine ${name} chooses its device and the threads of a run by itself: ${lost.join(" and ")} ${verb} no effect there, and would have with the engine onnxruntime`;
}
