import { type ChildProcess, execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { VideoExplainerError } from "../errors.js";

const run = promisify(execFile);

export interface FfmpegVersion {
  major: number;
  minor: number;
}

/** Programs from the environment (`FFMPEG_PATH`, `FFPROBE_PATH`) or the search path. */
export const ffmpegPath = (): string => process.env.FFMPEG_PATH || "ffmpeg";
export const ffprobePath = (): string => process.env.FFPROBE_PATH || "ffprobe";

const versions = new Map<string, Promise<FfmpegVersion>>();

/** Version of the installed ffmpeg, asked once. Throws a sentence when it is missing or too old. */
export function ffmpegVersion(path = ffmpegPath()): Promise<FfmpegVersion> {
  let version = versions.get(path);
  if (!version) {
    version = run(path, ["-version"], { timeout: 20_000 }).then(
      ({ stdout }) => supported(parseVersion(stdout), path),
      (cause) => {
        versions.delete(path);
        throw missing("ffmpeg", path, cause);
      },
    );
    versions.set(path, version);
  }
  return version;
}

/** Builds from git carry no release number and count as the newest. */
export function parseVersion(text: string): FfmpegVersion {
  const match = /^ff\w+ version n?(\d+)\.(\d+)/m.exec(text);
  return match ? { major: Number(match[1]), minor: Number(match[2]) } : { major: 99, minor: 0 };
}

/** Older ones hold back the times of frames: their `metadata` filter has no `direct`. */
export function supported(version: FfmpegVersion, path: string): FfmpegVersion {
  if (isAtLeast(version, 4, 3)) return version;
  throw new VideoExplainerError(
    "ffmpeg-old",
    `ffmpeg (${path}) is of version ${version.major}.${version.minor}, and 4.3 or newer is needed; install one, or set FFMPEG_PATH.`,
  );
}

export const isAtLeast = (version: FfmpegVersion, major: number, minor = 0): boolean =>
  version.major > major || (version.major === major && version.minor >= minor);

export function missing(tool: "ffmpeg" | "ffprobe", path: string, cause: unknown): VideoExplainerError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  const what = code === "ENOENT" ? `${tool} is not installed` : `${tool} (${path}) does not start: ${reasonOf(cause)}`;
  return new VideoExplainerError(
    "ffmpeg-missing",
    `${what}; on Debian or Ubuntu run \`sudo apt-get install ffmpeg\`, or set ${tool.toUpperCase()}_PATH.`,
    { cause },
  );
}

export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

let setpriv: string | null | undefined;

/**
 * Wraps a command so that the kernel ends it when this process dies, however it dies. Without `setpriv` (util-linux) the
 * command is left as it is, and ends at its next write into the broken pipe.
 */
export function dyingWithParent(command: string, args: readonly string[]): [string, string[]] {
  setpriv ??= onSearchPath("setpriv");
  return setpriv ? [setpriv, ["--pdeathsig", "KILL", "--", command, ...args]] : [command, [...args]];
}

function onSearchPath(program: string): string | null {
  if (process.platform !== "linux") return null;
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
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

/** Whoever floods waits: what comes beyond so many bytes in a tenth of a second is read later, so that others have their turn. */
export function calm(stream: Readable, bytes: number): void {
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

/** Ends a child: SIGTERM, and SIGKILL when it is still there after `graceMs`. Resolves once it is gone. */
export async function endChild(child: ChildProcess, graceMs: number): Promise<void> {
  if (child.pid === undefined || hasEnded(child)) return;
  await new Promise<void>((resolve) => {
    const force = setTimeout(() => child.kill("SIGKILL"), graceMs);
    child.once("exit", () => {
      clearTimeout(force);
      resolve();
    });
    child.kill("SIGTERM");
  });
}
