/** What the worker and its spawner tell each other, as JSON over their channel. */

/** A program as it is to be run. */
export interface Command {
  /** Name on the search path of `env`, or a path. */
  program: string;
  args: readonly string[];
  env: Record<string, string>;
  /** Its share of a busy processor is left to others. */
  patient: boolean;
}

export type SpawnerRequest =
  /** Starts a program with sockets in place of these descriptors; the others are closed to it. */
  | { kind: "start"; id: number; command: Command; descriptors: readonly number[]; folder: string }
  /** Runs a program and collects what it writes. */
  | { kind: "run"; id: number; command: Command; stdin: string; timeoutMs: number; maxBytes: number }
  /** Ends what `id` names: SIGTERM, and SIGKILL after `graceMs`; or lets it be where it has not begun. */
  | { kind: "end"; id: number; graceMs: number };

/** Why something was not started, in the system's words. */
export interface SpawnFault {
  code: string;
  message: string;
  /** What the system refused. */
  syscall?: string;
}

/** What a program that was run has written, and how it ended. */
export interface Output {
  stdout: string;
  /** Its last 64 KiB. */
  stderr: string;
  code: number | null;
  signal: NodeJS.Signals | null;
  /** It took too long and was ended. */
  timedOut: boolean;
  /** It wrote more than was wanted and was ended. */
  flooded: boolean;
}

/** Answers after which more come. */
export type SpawnerNews = Extract<SpawnerAnswer, { kind: "open" | "started" | "loaded" }>;

export const isNews = (answer: SpawnerAnswer): answer is SpawnerNews =>
  answer.kind === "open" || answer.kind === "started" || answer.kind === "loaded";

export type SpawnerAnswer =
  /** Here the sockets can be connected, one behind the other. */
  | { kind: "open"; id: number; path: string }
  | { kind: "started"; id: number; pid: number }
  /** It is loaded and linked, and waits for the first time; not told of one that ends before. */
  | { kind: "loaded"; id: number }
  | { kind: "ended"; id: number; code: number | null; signal: NodeJS.Signals | null }
  | { kind: "output"; id: number; output: Output }
  | { kind: "failed"; id: number; fault: SpawnFault };
