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
  /** Does not first try a program in another process, which guards against an engine that dies of it or is wrong about it. */
  skipValidation?: boolean;
  /** Folder that keeps what came of trials; null: none. Default: where the system keeps caches. */
  verdictCache?: string | null;
  /** What a trial that is not done by then is given up after, in milliseconds. Default five minutes. */
  trialMs?: number;
  /** The trial takes the time of a frame, too. */
  measure?: boolean;
  /** All that is known of the device and its driver: what was found out with another is not true of this one. */
  adapter?: string;
  /** Write a profile of each operation into files that begin so. */
  profile?: string;
}

/** Options without effect on a runner, in the runner's own words. */
export interface Ignored {
  options: readonly (keyof EngineOptions)[];
  /** Begins the sentence. */
  why: string;
  /** What happens instead, where that says more than that there is no effect. */
  instead?: string;
  /** The engine that they have an effect on. */
  elsewhere?: string;
}

/** How the results of an engine on a device compare with those of onnxruntime on the processor, for pictures of noise. */
export interface Agreement {
  /** Largest difference of two maps, relative to the largest number of the processor's. */
  error: number;
  /** Least correlation of two maps. */
  correlation: number;
  /** Whether all explained classes are the same. */
  sameClass: boolean;
}

/** What came of a trial. */
export interface Verdict {
  /** What is wrong with it; undefined where nothing is. */
  fault?: string;
  agreement?: Agreement;
  /** Milliseconds a frame, of a batch, where it was timed. */
  frameMs?: number;
  /** It was given up after its time. */
  slow?: boolean;
}

/** Where another process finds an engine, and how it is tried there. */
export interface Whereabouts {
  /** URL of its module. */
  module: string;
  /** What it is called there: a `PreparingEngine`. */
  name: string;
  /** Frames of one run of its graphs, where their number is fixed. */
  frames?: number;
  /** It is what others are held against, and is only timed. */
  isReference?: boolean;
}

/** A program made ready to run. */
export interface Runner {
  /** Engine and device, e.g. `onnxruntime-cpu`. */
  readonly name: string;
  /** Why each better engine was not taken. */
  readonly skipped?: readonly string[];
  /** Options that have no effect on it as they are. */
  readonly ignores?: readonly Ignored[];
  /** Where other threads of the process find what was compiled, on engines that share it. */
  readonly shared?: bigint;
  /** What came of its trial, where there was one. */
  readonly verdict?: Verdict;
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

/** The options that somebody gave and that have no effect, in one sentence without a full stop; undefined where there are none. */
export function withoutEffect(
  { ignores = [] }: Pick<Runner, "ignores">,
  given: Partial<EngineOptions>,
): string | undefined {
  const sentences = ignores.flatMap(({ options, why, instead, elsewhere }) => {
    const lost = options.flatMap((key) => (given[key] === undefined ? [] : [`${key} ${given[key]}`]));
    if (lost.length === 0) return [];
    const effect = `${lost.join(" and ")} ${lost.length === 1 ? "has" : "have"} no effect there`;
    return [`${why}: ${instead ?? effect}${elsewhere ? `, and would have with the engine ${elsewhere}` : ""}`];
  });
  return sentences.length === 0 ? undefined : sentences.join("; ");
}
