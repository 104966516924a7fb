import { type ChildProcess, execFile } from "node:child_process";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { promisify } from "node:util";
import createCommand, { type FfmpegCommand } from "fluent-ffmpeg";
import { VideoExplainerError } from "../../errors.js";
import { outputOptions } from "../../pipeline/plan.js";
import { dyingWithParent, endChild, ffmpegPath, ffmpegVersion, missing } from "../../pipeline/tools.js";
import { LastWords } from "../../pipeline/words.js";
import { pictureAt, streamHead } from "./matroska.js";

/** What an MP4 can hold, best first, with options for a picture that hides none of the heat. All run on any CPU. */
const ENCODERS: Readonly<Record<string, readonly string[]>> = {
  libx264: ["-preset", "veryfast", "-crf", "20"],
  libopenh264: ["-b:v", "6M"],
  mpeg4: ["-q:v", "3"],
  "libvpx-vp9": ["-crf", "30", "-b:v", "0", "-deadline", "realtime", "-cpu-used", "6"],
};
/** Ticks a second of the film's clock, which MPEG-4 wants below 65536; also the least distance of two pictures. */
const TICKS = 60_000;
const LEAST_STEP_US = Math.ceil(1e6 / TICKS);
/** JPEG is full-range BT.601; players take an HD film for BT.709 whatever it says. Chroma is halved, so sizes are even. */
const TO_FILM =
  "scale=in_range=full:out_range=limited:in_color_matrix=bt601:out_color_matrix=bt709,format=yuv420p,pad=ceil(iw/2)*2:ceil(ih/2)*2";
const COLOURS = "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv -movflags +faststart".split(
  " ",
);
const GRACE_MS = 2000;

const run = promisify(execFile);

export interface FilmEncoderOptions {
  /** MP4 file to write; what is there is replaced. */
  path: string;
  width: number;
  height: number;
}

/** Makes an MP4 of JPEG pictures, each shown at its own time. */
export interface FilmEncoder {
  readonly codec: string;
  /** Resolves when there is room for the next picture. Times are in seconds and rise; the first is the film's start. */
  add(jpeg: Uint8Array, seconds: number): Promise<void>;
  /** Resolves when the file is whole; rejects with one sentence. */
  finish(): Promise<void>;
  /** Ends ffmpeg; what it wrote is of no use. */
  abort(): Promise<void>;
}

/** The parts of fluent-ffmpeg's commands that are not in its types. */
interface Internals extends FfmpegCommand {
  ffmpegProc?: ChildProcess;
  _getArguments(): string[];
  _prepare(done: (error: Error | null, args?: string[]) => void): void;
  _getFfmpegPath(done: (error: Error | null, path: string) => void): void;
}

/** The best encoder that the installed ffmpeg has. Throws one sentence when it has none. */
export async function chooseEncoder(): Promise<string> {
  const path = ffmpegPath();
  const { stdout } = await run(path, ["-hide_banner", "-encoders"], { timeout: 20_000 }).catch((cause) => {
    throw missing("ffmpeg", path, cause);
  });
  const known = new Set([...stdout.matchAll(/^ V\S+ (\S+)/gm)].map((match) => match[1]));
  const codec = Object.keys(ENCODERS).find((name) => known.has(name));
  if (codec) return codec;
  throw new VideoExplainerError(
    "no-encoder",
    `ffmpeg (${path}) can encode none of ${Object.keys(ENCODERS).join(", ")}; install an ffmpeg with libx264, as Debian's is.`,
  );
}

/** Starts ffmpeg through fluent-ffmpeg, pictures on its standard input. */
export async function startFilmEncoder(options: FilmEncoderOptions): Promise<FilmEncoder> {
  const codec = await chooseEncoder();
  const version = await ffmpegVersion();
  const words = new LastWords((text) => text);
  const input = new PassThrough();
  const [program, prefix] = dyingWithParent(ffmpegPath(), []);
  const command = createCommand() as Internals;
  // Spread, options are taken as they are; the entries of an array would be split at their spaces.
  command
    .input(input)
    .inputOptions(...["-hide_banner", "-nostats", "-loglevel", "level+warning", "-f", "matroska"])
    .videoFilters(TO_FILM)
    .output(`file:${options.path}`)
    .outputOptions(
      ...[...outputOptions(version).slice(0, 2), "-enc_time_base", `1:${TICKS}`],
      ...["-video_track_timescale", String(TICKS), "-c:v", codec, ...ENCODERS[codec]!],
      ...[...COLOURS, "-y", "-f", "mp4"],
    );
  // Its preparation asks ffmpeg for all it can do and fails on versions whose answer it cannot read.
  command._prepare = (done) => done(null, [...prefix, ...command._getArguments()]);
  command._getFfmpegPath = (done) => done(null, program);

  let over: Error | "whole" | undefined;
  command.on("stderr", (line: string) => words.add(line));
  const ended = new Promise<void>((resolve) => {
    command.on("end", () => {
      over = "whole";
      resolve();
    });
    command.on("error", (error: Error) => {
      over = error;
      resolve();
    });
  });
  command.run();
  input.write(streamHead(options.width, options.height));

  const fault = (): VideoExplainerError => {
    const why = words.summary() ?? (over instanceof Error ? over.message : "ffmpeg ended too early");
    return new VideoExplainerError("encoding", `the explained film cannot be written: ${why}.`, { cause: over });
  };
  let start: number | undefined;
  let last = -LEAST_STEP_US;
  return {
    codec,
    async add(jpeg, seconds) {
      if (over) throw fault();
      start ??= seconds;
      last = Math.max(last + LEAST_STEP_US, Math.round((seconds - start) * 1e6));
      if (input.write(pictureAt(last, jpeg))) return;
      await Promise.race([once(input, "drain"), ended]);
      if (over) throw fault();
    },
    async finish() {
      input.end();
      await ended;
      if (over !== "whole") throw fault();
    },
    async abort() {
      // Its pipe is left to break with the process: to destroy it first would make ffmpeg finish the file.
      if (!over && command.ffmpegProc) await endChild(command.ffmpegProc, GRACE_MS);
      input.destroy();
    },
  };
}
