import { reasonOf, VideoExplainerError } from "../errors.js";
import { runChild } from "./children.js";

export interface FfmpegVersion {
  major: number;
  minor: number;
}

/** Programs from the environment (`FFMPEG_PATH`, `FFPROBE_PATH`) or the search path. */
export const ffmpegPath = (): string => process.env.FFMPEG_PATH || "ffmpeg";
export const ffprobePath = (): string => process.env.FFPROBE_PATH || "ffprobe";

/** What each ffmpeg answers, asked once; one that did not answer may be installed, or found to start, the next time. */
export function oncePerFfmpeg<T>(ask: (path: string) => Promise<T>): (path?: string) => Promise<T> {
  const answers = new Map<string, Promise<T>>();
  return (path = ffmpegPath()) => {
    let answer = answers.get(path);
    if (!answer) {
      answer = ask(path);
      answer.catch(() => answers.delete(path));
      answers.set(path, answer);
    }
    return answer;
  };
}

/** Version of the installed ffmpeg. Throws a sentence when it is missing or too old. */
export const ffmpegVersion = oncePerFfmpeg(async (path) =>
  supported(parseVersion(await askFfmpeg(["-version"], path)), path),
);

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
    `ffmpeg (${path}) is of version ${version.major}.${version.minor}, and 4.3 or newer is needed; install one, or set FFMPEG_PATH`,
  );
}

export const isAtLeast = (version: FfmpegVersion, major: number, minor = 0): boolean =>
  version.major > major || (version.major === major && version.minor >= minor);

const ASK_MS = 20_000;

/** What ffmpeg prints on its standard output of these questions. Throws one sentence when it does not answer. */
export async function askFfmpeg(args: readonly string[], path = ffmpegPath()): Promise<string> {
  const asked = await runChild({ program: path, args }, ASK_MS).catch((cause: unknown) => {
    throw startFault("ffmpeg", path, cause);
  });
  if (asked.code === 0) return asked.stdout;
  const last = asked.stderr.trim().split("\n").at(-1);
  const how = asked.timedOut
    ? `no answer within ${ASK_MS / 1000} s`
    : `it ended by ${asked.signal ?? `code ${asked.code}`}`;
  throw startFault("ffmpeg", path, new Error(last ? `${how}: ${last}` : how));
}

/** The error of a program that did not start; one that says so already is passed on. */
export function startFault(tool: "ffmpeg" | "ffprobe", path: string, cause: unknown): VideoExplainerError {
  if (cause instanceof VideoExplainerError) return cause;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  const what = code === "ENOENT" ? `${tool} is not installed` : `${tool} (${path}) does not start: ${reasonOf(cause)}`;
  return new VideoExplainerError(
    "ffmpeg-missing",
    `${what}; on Debian or Ubuntu run \`sudo apt-get install ffmpeg\`, or set ${tool.toUpperCase()}_PATH`,
    { cause },
  );
}
