import { connect, type Socket } from "node:net";
import { availableParallelism, tmpdir } from "node:os";
import { childEnvironment } from "../child-environment.js";
import { VideoExplainerError } from "../errors.js";
import { hasRoomFor } from "./descriptors.js";
import { Gate, type Haste } from "./gate.js";
import { ShortageError, shortageOf } from "./shortage.js";
import { SPAWNER_GONE, spawner } from "./spawner.js";
import type { Command, Output, SpawnerAnswer, SpawnFault } from "./spawner-messages.js";

/** Takes what a socket brings, without a buffer in between. */
export interface ByteSink {
  /** Where the next bytes shall be written. */
  buffer(): Uint8Array;
  /** So many bytes were written there. False: no more before `resume`. */
  filled(count: number, buffer: Uint8Array): boolean;
}

export interface ChildOptions {
  program: string;
  args: readonly string[];
  /** `patient`: what has failed before waits for the others, and what is run leaves them the processor. Default `eager`. */
  haste?: Haste;
  /** Not waited for any longer. */
  signal?: AbortSignal;
}

export interface ChildEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A program that runs. */
export interface Child {
  readonly pid: number;
  /** By its descriptors, the far ends of its sockets. */
  readonly sockets: ReadonlyMap<number, Socket>;
  /** Resolves when the process is gone; its sockets may still bring what it wrote. Rejects when its end was lost. */
  readonly ended: Promise<ChildEnd>;
  /** SIGTERM, and SIGKILL after `graceMs`. Resolves when the process is gone. */
  end(graceMs: number): Promise<void>;
}

/** Before its first words a program is loaded and linked, which is what a start costs: so many are let do so at a time. */
const starting = new Gate(Math.max(4, 2 * availableParallelism()), Math.max(2, availableParallelism()));
/** A spawner that does not answer for so long hangs. */
const ANSWER_MS = 30_000;
const MAX_OUTPUT_BYTES = 4 * 2 ** 20;

/**
 * Starts a program with a socket for each of these descriptors, through a small process made for it. Rejects with a
 * `ShortageError` when the system lacks what it takes, with the system's own error, code and all, when the program does not
 * start, and with the signal's reason.
 */
export async function startChild(
  { signal, haste = "eager", ...options }: ChildOptions,
  descriptors: ReadonlyMap<number, ByteSink | null>,
): Promise<Child> {
  const leave = await starting.enter(haste, signal);
  try {
    const child = await open(commandOf(options, false), descriptors, leave, signal);
    child.ended.then(leave, leave);
    return child;
  } catch (error) {
    leave();
    throw error;
  }
}

async function open(
  command: Command,
  descriptors: ReadonlyMap<number, ByteSink | null>,
  onLoaded: () => void,
  signal?: AbortSignal,
): Promise<Child> {
  if (!(await hasRoomFor(descriptors.size))) throw shortage(command, "EMFILE");
  signal?.throwIfAborted();
  const host = hostOf(command);
  const sockets = new Map<number, Socket>();
  return new Promise<Child>((resolve, reject) => {
    let settleEnd: { resolve(end: ChildEnd): void; reject(error: Error): void };
    const ended = new Promise<ChildEnd>((resolve, reject) => {
      settleEnd = { resolve, reject };
    });
    // Its holder asks for it; until then `reject` reports it.
    ended.catch(() => {});
    const fail = (error: unknown): void => {
      over();
      host.end(id, 0);
      for (const socket of sockets.values()) socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(signal!.reason);
    const late = setTimeout(() => {
      host.kill();
      fail(new VideoExplainerError("spawner", `the process that starts ${command.program} hangs; it is started anew`));
    }, ANSWER_MS);
    const over = (): void => {
      clearTimeout(late);
      signal?.removeEventListener("abort", onAbort);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    const hear = (answer: SpawnerAnswer): void => {
      if (answer.kind === "open") {
        connectAll(answer.path, descriptors, sockets).catch((error) => fail(systemFault(command, error)));
      } else if (answer.kind === "started") {
        over();
        const end = async (graceMs: number): Promise<void> => {
          host.end(id, graceMs);
          await ended.catch(() => {});
        };
        resolve({ pid: answer.pid, sockets, ended, end });
      } else if (answer.kind === "loaded") onLoaded();
      else if (answer.kind === "ended") settleEnd.resolve(answer);
      else if (answer.kind === "failed") {
        const error = systemFault(command, answer.fault);
        settleEnd.reject(error);
        fail(error);
      }
    };
    const id = host.ask({ kind: "start", command, descriptors: [...descriptors.keys()], folder: tmpdir() }, hear);
  });
}

/**
 * Connects one socket behind the other, which is how the far end tells them apart. Pictures are read into memory of the
 * reader's choosing: to collect them from new buffers of 64 KiB took three times as long as reading them.
 */
async function connectAll(
  path: string,
  descriptors: ReadonlyMap<number, ByteSink | null>,
  sockets: Map<number, Socket>,
): Promise<void> {
  for (const [descriptor, sink] of descriptors) {
    await new Promise<void>((resolve, reject) => {
      const onread = sink && {
        buffer: () => sink.buffer(),
        callback: (count: number, buffer: Uint8Array) => sink.filled(count, buffer),
      };
      const socket = connect({ path, ...(onread ? { onread } : {}) });
      sockets.set(descriptor, socket);
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        // A broken pipe shows in how the process ends.
        socket.on("error", () => {});
        resolve();
      });
    });
  }
}

/**
 * Runs a program, with this text on its standard input, and resolves with what it wrote. Rejects as `startChild` does;
 * once it runs, `signal` ends it, and what it wrote until then is the result.
 */
export async function runChild(
  { signal, haste = "eager", ...options }: ChildOptions,
  timeoutMs: number,
  stdin = "",
): Promise<Output> {
  const leave = await starting.enter(haste, signal);
  const command = commandOf(options, haste === "patient");
  let onAbort: (() => void) | undefined;
  let late: NodeJS.Timeout | undefined;
  try {
    signal?.throwIfAborted();
    const host = hostOf(command);
    return await new Promise<Output>((resolve, reject) => {
      const hear = (answer: SpawnerAnswer): void => {
        if (answer.kind === "loaded") leave();
        else if (answer.kind === "output") resolve(answer.output);
        else if (answer.kind === "failed") reject(systemFault(command, answer.fault));
      };
      const id = host.ask({ kind: "run", command, stdin, timeoutMs, maxBytes: MAX_OUTPUT_BYTES }, hear);
      late = setTimeout(() => host.kill(), timeoutMs + ANSWER_MS);
      onAbort = () => host.end(id, 1000);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  } finally {
    clearTimeout(late);
    leave();
    if (onAbort) signal?.removeEventListener("abort", onAbort);
  }
}

const commandOf = ({ program, args }: Pick<ChildOptions, "program" | "args">, patient: boolean): Command => ({
  program,
  args,
  env: childEnvironment(),
  patient,
});

/** Starts the spawner where there is none. */
function hostOf(command: Command): ReturnType<typeof spawner> {
  try {
    return spawner();
  } catch (error) {
    throw systemFault(command, error as SpawnFault);
  }
}

function systemFault(command: Command, fault: SpawnFault & { cause?: unknown }): Error {
  const { code, message, syscall } = fault;
  if (shortageOf(code)) return shortage(command, code, fault);
  if (syscall === "mkdtemp") {
    const text = `the temporary folder ${tmpdir()} cannot be written (${code}); set TMPDIR to one that can`;
    return new VideoExplainerError("no-temporary-folder", text, { cause: fault });
  }
  if (code === SPAWNER_GONE) return new VideoExplainerError("spawner", `${command.program} was lost: ${message}`);
  return Object.assign(new Error(message), { code });
}

const shortage = ({ program }: Command, code: string, cause?: unknown): ShortageError =>
  new ShortageError(program, shortageOf(code)!, cause);
