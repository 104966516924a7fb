import { VideoExplainerError } from "../errors.js";
import { startChild } from "./children.js";
import { ffmpegArguments } from "./command.js";
import { FILM_COLOURS, TO_FILM } from "./film-colours.js";
import { StderrTail } from "./log-lines.js";
import { pictureAt, streamHead } from "./matroska.js";
import { passThrough } from "./output.js";
import { askFfmpeg, ffmpegPath, ffmpegVersion, startFault } from "./version.js";

/** What an MP4 can hold, best first, with options for a picture that hides none of the heat. All run on any CPU. */
const ENCODERS: Readonly<Record<string, readonly string[]>> = {
  libx264: ["-preset", "veryfast", "-crf", "20"],
  libopenh264: ["-b:v", "6M"],
  mpeg4: ["-q:v", "3"],
  "libvpx-vp9": ["-crf", "30", "-b:v", "0", "-deadline", "realtime", "-cpu-used", "6"],
};
/** Ticks a second of the film's clock, which MPEG-4 wants below 65536; also the least distance of two pictures. */
const TICKS = 60_000;
const MIN_STEP_US = Math.ceil(1e6 / TICKS);
const GRACE_MS = 2000;

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

/** The best encoder that the installed ffmpeg has. Throws one sentence when it has none. */
export async function chooseEncoder(): Promise<string> {
  const path = ffmpegPath();
  const list = await askFfmpeg(["-hide_banner", "-encoders"], path);
  const known = new Set([...list.matchAll(/^ V\S+ (\S+)/gm)].map((match) => match[1]));
  const codec = Object.keys(ENCODERS).find((name) => known.has(name));
  if (codec) return codec;
  throw new VideoExplainerError(
    "no-encoder",
    `ffmpeg (${path}) can encode none of ${Object.keys(ENCODERS).join(", ")}; install an ffmpeg with libx264, as Debian's is`,
  );
}

/** Starts ffmpeg, pictures on its standard input. */
export async function startFilmEncoder(options: FilmEncoderOptions): Promise<FilmEncoder> {
  const codec = await chooseEncoder();
  const version = await ffmpegVersion();
  const stderrTail = new StderrTail((text) => text);
  const args = ffmpegArguments({
    input: "pipe:0",
    inputOptions: ["-hide_banner", "-nostats", "-loglevel", "level+warning", "-f", "matroska"],
    filter: { chain: TO_FILM },
    output: `file:${options.path}`,
    outputOptions: [
      ...[...passThrough(version), "-enc_time_base", `1:${TICKS}`],
      ...["-video_track_timescale", String(TICKS), "-c:v", codec, ...ENCODERS[codec]!],
      ...[...FILM_COLOURS, "-movflags", "+faststart", "-y", "-f", "mp4"],
    ],
  });
  const program = ffmpegPath();
  const child = await startChild({ program, args }, new Map([0, 2].map((descriptor) => [descriptor, null]))).catch(
    (cause: unknown) => {
      throw startFault("ffmpeg", program, cause);
    },
  );
  const [input, stderr] = [child.sockets.get(0)!, child.sockets.get(2)!];
  stderr.setEncoding("utf8").on("data", (text: string) => stderrTail.write(text));
  // Not `events.once`: an error of the socket would reject it, and why it broke shows in how ffmpeg ends.
  const stderrClosed = new Promise<void>((resolve) => stderr.once("close", () => resolve())).then(() =>
    stderrTail.end(),
  );

  let over: Error | "whole" | undefined;
  const ended = child.ended
    .then(async ({ code, signal }) => {
      await stderrClosed;
      over = code === 0 ? "whole" : new Error(`ffmpeg ended by ${signal ?? `code ${code}`}`);
    })
    .catch((error: Error) => {
      over = error;
    });
  input.write(streamHead(options.width, options.height));

  const fault = (): VideoExplainerError => {
    const why = stderrTail.summary() ?? (over instanceof Error ? over.message : "ffmpeg ended too early");
    return new VideoExplainerError("encoding", `the explained film cannot be written: ${why}`, { cause: over });
  };
  let start: number | undefined;
  let last = -MIN_STEP_US;
  return {
    codec,
    async add(jpeg, seconds) {
      if (over) throw fault();
      start ??= seconds;
      last = Math.max(last + MIN_STEP_US, Math.round((seconds - start) * 1e6));
      if (input.write(pictureAt(last, jpeg))) return;
      // Nor here.
      await Promise.race([new Promise<void>((resolve) => input.once("drain", resolve)), ended]);
      if (over) throw fault();
    },
    async finish() {
      input.end();
      await ended;
      if (over !== "whole") throw fault();
    },
    async abort() {
      // Its pipe is left to break with the process: to destroy it first would make ffmpeg finish the file.
      if (!over) await child.end(GRACE_MS);
      input.destroy();
      stderr.destroy();
    },
  };
}
