import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Why a file is not read, for the sentence of whoever wanted it. */
export type Unreadable = "too-large" | "no-file" | "folder" | "silent";

/** A file that is not read, though the system would let it be. */
export class UnreadableError extends Error {
  constructor(readonly why: Unreadable) {
    super(why);
  }
}

/** Opened without waiting for whoever writes into a named pipe. */
const OPEN = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

const PAUSE_MS = 20;

/**
 * The bytes of what may as well be a pipe, such as `<(…)` of a shell: it is read to its end, or to one byte more than allowed. One that
 * nobody writes into is given up after `patienceMs`.
 * @throws UnreadableError, or the system's error
 */
export async function readBoundedStream(path: string, mostBytes: number, patienceMs: number): Promise<Buffer> {
  const file = openSync(path, OPEN);
  try {
    const stat = fstatSync(file);
    if (stat.isDirectory()) throw new UnreadableError("folder");
    if (stat.isFile() && stat.size > mostBytes) throw new UnreadableError("too-large");
    const buffer = Buffer.alloc(mostBytes + 1);
    const waits = stat.isFIFO() || stat.isSocket() || stat.isCharacterDevice();
    const until = performance.now() + patienceMs;
    let size = 0;
    while (size < buffer.length) {
      const count = readNow(file, buffer, size);
      if (count === undefined || (count === 0 && size === 0 && stat.isFIFO())) {
        if (!waits || performance.now() > until) throw new UnreadableError("silent");
        await sleep(PAUSE_MS);
      } else if (count === 0) return buffer.subarray(0, size);
      else size += count;
    }
    throw new UnreadableError("too-large");
  } finally {
    closeSync(file);
  }
}

/** Undefined while nothing is there yet. */
function readNow(file: number, into: Buffer, at: number): number | undefined {
  try {
    return readSync(file, into, at, into.length - at, null);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return undefined;
    throw error;
  }
}
