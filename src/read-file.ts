import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { InputError } from "./errors.js";
import { systemCode, systemReason } from "./system-error.js";

/** What a path leads to that is no regular file, in words. */
function kindOf(stat: Stats): string | undefined {
  if (stat.isFile()) return undefined;
  if (stat.isDirectory()) return "it is a folder";
  if (stat.isFIFO()) return "it is a pipe";
  if (stat.isSocket()) return "it is a socket";
  return "it is a device";
}

function unreadable(file: string, why: string, cause?: unknown): InputError {
  return new InputError("file-unreadable", `${file} cannot be read (${why}); give a file that this user may read`, {
    cause,
  });
}

/**
 * Works on a regular file that is open for reading. A pipe, a device or a folder is refused before anything is opened that
 * could wait or never end.
 * @throws InputError where it cannot be read
 */
export function withRegularFile<T>(file: string, work: (handle: number, size: number) => T): T {
  let handle: number;
  try {
    const kind = kindOf(statSync(file));
    if (kind !== undefined) throw unreadable(file, kind);
    // What has become a pipe since then does not hold up the opening.
    handle = openSync(file, READ);
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw unreadable(file, systemReason(cause), cause);
  }
  try {
    const stat = fstatSync(handle);
    const kind = kindOf(stat);
    if (kind !== undefined) throw unreadable(file, kind);
    return work(handle, stat.size);
  } finally {
    closeSync(handle);
  }
}

/** So many bytes of an open file from an offset on; fewer where it ends before. */
export function readAt(handle: number, offset: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  let at = 0;
  while (at < count) {
    const read = readSync(handle, bytes, at, count - at, offset + at);
    if (read === 0) break;
    at += read;
  }
  return at === count ? bytes : bytes.subarray(0, at);
}

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;

/**
 * The bytes of a regular file, decided by its size before any is read.
 * @param max bytes beyond which it is refused
 * @param what it should hold, for the refusal, e.g. `labels`
 * @throws InputError where it cannot be read or is too large
 */
export function readBounded(file: string, max: number, what: string): Uint8Array {
  return withRegularFile(file, (handle, size) => {
    if (size > max)
      throw new InputError(
        "file-too-large",
        `${file} takes ${mebibytes(size)}, and ${what} may take ${mebibytes(max)} at most; give a smaller file`,
      );
    return readAt(handle, 0, size);
  });
}

/** Why a file is not read, for the caller to word. */
export type Unreadable = "too-large" | "no-file" | "folder" | "silent";

/** A file that is not read, though the system would let it be. */
export class UnreadableError extends Error {
  constructor(readonly why: Unreadable) {
    super(why);
  }
}

/** Opening a named pipe does not wait for its writer. */
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

const PIPE_POLL_MS = 20;

/**
 * The bytes of a file or a pipe, such as `<(…)` of a shell, read to its end or to one byte more than allowed. A pipe that nobody
 * writes into is given up after `patienceMs`.
 * @throws UnreadableError, or the system's error
 */
export async function readBoundedStream(path: string, maxBytes: number, patienceMs: number): Promise<Buffer> {
  const file = openSync(path, READ);
  try {
    const stat = fstatSync(file);
    if (stat.isDirectory()) throw new UnreadableError("folder");
    if (stat.isFile() && stat.size > maxBytes) throw new UnreadableError("too-large");
    const buffer = Buffer.alloc(maxBytes + 1);
    const waits = stat.isFIFO() || stat.isSocket() || stat.isCharacterDevice();
    const until = performance.now() + patienceMs;
    let size = 0;
    while (size < buffer.length) {
      const count = readNow(file, buffer, size);
      if (count === undefined || (count === 0 && size === 0 && stat.isFIFO())) {
        if (!waits || performance.now() > until) throw new UnreadableError("silent");
        await sleep(PIPE_POLL_MS);
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
    if (systemCode(error) === "EAGAIN") return undefined;
    throw error;
  }
}
