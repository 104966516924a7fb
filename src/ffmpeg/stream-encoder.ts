import { type Child, type ChildOptions, startChild } from "./children.js";
import { ffmpegArguments } from "./command.js";
import { FILM_COLOURS, TO_FILM } from "./film-colours.js";
import { StderrTail } from "./log-lines.js";
import { pictureAt, streamHead } from "./matroska.js";
import { passThrough } from "./output.js";
import { ffmpegPath, ffmpegVersion, isAtLeast, startFault } from "./version.js";

/** What ffmpeg puts before the system's words for a far end that is away, or says behind them. */
const AROUND =
  /^(?:Could not write header[^:]*|Error (?:writing trailer|closing file|opening output files?|submitting a packet to the muxer|muxing a packet)[^:]*(?::\/\/[^\s]*)?|av_interleaved_write_frame\(\)): /;
const BESIDES = /^(?:Error initializing output stream |Conversion failed)/;

/** Its complaints as part of a sentence, the far end's name left to who knows it. */
export function outputFault(summary: string): string {
  const parts = summary.split("; ").filter((part) => !BESIDES.test(part));
  const bare = parts.map((part) => part.replace(AROUND, ""));
  return [...new Set(bare)].join("; ").replace(/\b[A-Z](?=[a-z]+ )/, (letter) => letter.toLowerCase()) || summary;
}

interface Encoder {
  options: readonly string[];
  /** Behind the conversion of colours. */
  filter?: string;
  /** Options before the input. */
  before?: readonly string[];
}

const words = (text: string): string[] => text.split(" ");

/** H.264 without pictures that refer to later ones, so that each leaves as it comes. All but the first two want their hardware. */
const ENCODERS = {
  libx264: { options: words("-preset veryfast -tune zerolatency -crf 23") },
  libopenh264: { options: words("-b:v 4M") },
  h264_nvenc: { options: words("-preset p4 -tune ll -rc vbr -cq 23 -bf 0 -zerolatency 1 -forced-idr 1") },
  h264_vaapi: {
    options: words("-qp 23 -bf 0"),
    filter: "format=nv12,hwupload",
    before: words("-vaapi_device /dev/dri/renderD128"),
  },
  h264_qsv: { options: words("-preset veryfast -global_quality 23 -bf 0 -async_depth 1"), filter: "format=nv12" },
  h264_videotoolbox: { options: words("-realtime 1 -b:v 4M -bf 0") },
  h264_v4l2m2m: { options: words("-b:v 4M") },
} satisfies Record<string, Encoder>;
export type StreamEncoderName = keyof typeof ENCODERS;

/** Pictures a second that encoders and players may reckon with; each keeps its own time. */
const NOMINAL_RATE = 25;
/** Ticks a second of the encoder's clock, as MPEG-TS and RTP have it. */
const TICKS = 90_000;
/** A player that comes waits so long at most for a whole picture; HLS is cut there. */
const KEY_SECONDS = 2;
const PROGRESS_SECONDS = 0.1;

/** Where a stream goes, in ffmpeg's words. */
export type StreamTarget =
  | { kind: "network"; url: string }
  | { kind: "hls"; folder: string; segmentSeconds: number; segments: number; goesOn: boolean };

export interface StreamEncoderOptions {
  target: StreamTarget;
  encoder: StreamEncoderName;
  /** Bits a second that it may take at most, in thousands. */
  maxKilobits?: number;
  width: number;
  height: number;
  haste?: ChildOptions["haste"];
  /** Takes secrets out of what ffmpeg says. */
  mask(text: string): string;
  /** So many pictures have been encoded and sent since the start. */
  onFrames(count: number): void;
}

export interface StreamEnd {
  /** It ended as it was told to, or by a signal to the whole group. */
  clean: boolean;
  /** Its complaints, as part of a sentence. */
  why: string;
}

/** ffmpeg that makes one stream of JPEG pictures, each at its own time. */
export interface StreamEncoder {
  readonly pid: number;
  /** Resolves when ffmpeg has taken it, or is gone. `microseconds` rise. */
  give(jpeg: Uint8Array, microseconds: number): Promise<void>;
  /** Resolves when the process is gone. */
  readonly ended: Promise<StreamEnd>;
  /** No more pictures come: it ends once it has sent what it was given. */
  finish(): void;
  /** SIGTERM, and SIGKILL after `graceMs`. */
  end(graceMs: number): Promise<void>;
}

export const PLAYLIST = "playlist.m3u8";
export const SEGMENT = /^segment-\d+\.ts(?:\.tmp)?$/;

const MUXERS: Readonly<Record<string, readonly string[]>> = {
  rtsp: words("-f rtsp -rtsp_transport tcp"),
  rtmp: words("-f flv -flvflags no_duration_filesize"),
  srt: words("-f mpegts"),
};

/** The muxer of a network address, by its scheme without the `s` of TLS. */
const muxerOf = (url: string): readonly string[] => MUXERS[url.slice(0, url.indexOf(":")).replace(/s$/, "")] ?? [];

function outputOf(target: StreamTarget): { output: string; outputOptions: readonly string[] } {
  if (target.kind === "network") return { output: target.url, outputOptions: muxerOf(target.url) };
  const { folder, segmentSeconds, segments, goesOn } = target;
  const flags = `delete_segments+independent_segments+program_date_time+temp_file${goesOn ? "+append_list" : ""}`;
  return {
    output: `file:${folder}/${PLAYLIST}`,
    outputOptions: [
      ...["-f", "hls", "-hls_time", String(segmentSeconds), "-hls_list_size", String(segments), "-hls_flags", flags],
      // Numbers go on rising over runs, so that players that come back find what is new.
      ...["-hls_start_number_source", "epoch"],
      ...["-hls_segment_filename", `${folder.replaceAll("%", "%%")}/segment-%d.ts`],
    ],
  };
}

/** Starts ffmpeg, pictures on its standard input. Throws one sentence when it does not start. */
export async function startStreamEncoder(options: StreamEncoderOptions): Promise<StreamEncoder> {
  const version = await ffmpegVersion();
  const tail = new StderrTail(options.mask);
  const { options: own, filter, before = [] }: Encoder = ENCODERS[options.encoder];
  const { output, outputOptions } = outputOf(options.target);
  const most = options.maxKilobits === undefined ? [] : ["-maxrate", "-bufsize"];
  const args = ffmpegArguments({
    input: "pipe:0",
    inputOptions: [
      ...words("-hide_banner -nostats -loglevel level+warning -progress pipe:1"),
      ...(isAtLeast(version, 4, 4) ? ["-stats_period", String(PROGRESS_SECONDS)] : []),
      ...before,
      // The head says all: without these it would wait for seconds of pictures before it begins.
      ...words("-probesize 32 -analyzeduration 0 -fpsprobesize 0 -f matroska"),
    ],
    filter: { chain: filter ? `${TO_FILM},${filter}` : TO_FILM },
    output,
    outputOptions: [
      ...[...passThrough(version), "-enc_time_base", `1:${TICKS}`, "-c:v", options.encoder, ...own],
      ...most.flatMap((name) => [name, `${options.maxKilobits}k`]),
      ...["-force_key_frames", `expr:gte(t,n_forced*${KEY_SECONDS})`, "-g", "600"],
      ...[...FILM_COLOURS, "-y", ...outputOptions],
    ],
  });
  const program = ffmpegPath();
  const sockets = new Map([0, 1, 2].map((descriptor) => [descriptor, null]));
  const child = await startChild({ program, args, haste: options.haste }, sockets).catch((cause: unknown) => {
    throw startFault("ffmpeg", program, cause);
  });
  return follow(child, tail, options);
}

function follow(child: Child, tail: StderrTail, { width, height, onFrames }: StreamEncoderOptions): StreamEncoder {
  const [input, progress, stderr] = [child.sockets.get(0)!, child.sockets.get(1)!, child.sockets.get(2)!];
  let isOver = false;
  let rest = "";
  progress.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!.slice(-256);
    const frames = lines.flatMap((line) => /^frame=\s*(\d+)$/.exec(line)?.[1] ?? []).at(-1);
    if (frames !== undefined) onFrames(Number(frames));
  });
  stderr.setEncoding("utf8").on("data", (text: string) => tail.write(text));
  const closed = [progress, stderr].map((socket) => new Promise<void>((done) => socket.once("close", () => done())));
  const ended = child.ended.then(
    async ({ code, signal }): Promise<StreamEnd> => {
      isOver = true;
      await Promise.all(closed);
      tail.end();
      input.destroy();
      const why = tail.summary();
      // 255 without a complaint: a signal to the group of the worker, as Ctrl-C is.
      const clean = code === 0 || (code === 255 && why === null);
      return { clean, why: why === null ? `ffmpeg ended by ${signal ?? `code ${code}`}` : outputFault(why) };
    },
    (error: Error): StreamEnd => {
      isOver = true;
      for (const socket of [input, progress, stderr]) socket.destroy();
      return { clean: false, why: error.message };
    },
  );
  input.write(streamHead(width, height, NOMINAL_RATE));
  return {
    pid: child.pid,
    ended,
    async give(jpeg, microseconds) {
      if (isOver || input.write(pictureAt(microseconds, jpeg))) return;
      await Promise.race([new Promise<void>((go) => input.once("drain", go)), ended]);
    },
    finish: () => void input.end(),
    end: (graceMs) => child.end(graceMs),
  };
}
