import type { ChildProcess } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { Readable } from "node:stream";

let setpriv: string | null | undefined;

/**
 * Wraps a command so that the kernel ends it when this process dies, however it dies. Without `setpriv` (util-linux) the
 * command is left as it is, and ends at its next write into the broken pipe.
 */
export function dyingWithParent(command: string, args: readonly string[]): [string, string[]] {
  setpriv ??= process.platform === "linux" ? onSearchPath("setpriv", process.env.PATH) : null;
  return setpriv ? [setpriv, ["--pdeathsig", "KILL", "--", command, ...args]] : [command, [...args]];
}

/** Path of a program that may be run; null where no folder of the search path holds one. */
export function onSearchPath(program: string, searchPath = ""): string | null {
  for (const folder of searchPath.split(delimiter)) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder; the next may hold it.
    }
  }
  return null;
}

/** Limits how fast a stream is read: beyond so many bytes in a tenth of a second the rest waits, so that others have their turn. */
export function throttle(stream: Readable, bytes: number): void {
  let came = 0;
  const timer = setInterval(() => {
    came = 0;
    if (stream.isPaused()) stream.resume();
  }, 100);
  stream.on("data", (chunk: string | Buffer) => {
    came += chunk.length;
    if (came > bytes) stream.pause();
  });
  stream.once("close", () => clearInterval(timer));
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

/** Ends a child: SIGTERM, and SIGKILL when it is still there after `graceMs`, with 0 at once. Resolves once it is gone. */
export async function endChild(child: ChildProcess, graceMs: number): Promise<void> {
  if (child.pid === undefined || hasEnded(child)) return;
  await new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    if (graceMs <= 0) {
      child.kill("SIGKILL");
      return;
    }
    const force = setTimeout(() => child.kill("SIGKILL"), graceMs);
    child.once("exit", () => clearTimeout(force));
    child.kill("SIGTERM");
  });
}
