import { InputError, VideoExplainerError } from "../errors.js";
import { runChild } from "./children.js";
import type { Haste } from "./gate.js";
import { ffprobePath, startFault } from "./tools.js";
import { LastWords } from "./words.js";

/** What ffprobe says of an input's pictures. */
export interface Probe {
  /** Size in pixels as ffmpeg will decode it, turned upright. */
  width: number;
  height: number;
  /** Which of the pictures streams this is, cover pictures not counted. */
  videoStream: number;
  /** Container, as ffmpeg names it, e.g. `mov,mp4,m4a,3gp,3g2,mj2`. */
  format: string;
  /** Seconds, where the container says; undefined for what is live. */
  duration?: number;
  /** Seconds, on the stream's own clock, where it begins. */
  start?: number;
}

export interface ProbeOptions {
  input: string;
  /** Text for its standard input. */
  stdin?: string;
  inputOptions: readonly string[];
  /** Says nothing for so long: given up. */
  timeoutMs: number;
  mask: (text: string) => string;
  /** How the sentence names the input, e.g. `Source belt: film.mp4`. */
  called: string;
  /** Away rather than unreadable, when nothing can be read. */
  live: boolean;
  /** Decode the first picture too: photographs keep their rotation there. */
  firstPicture?: boolean;
  haste?: Haste;
  signal?: AbortSignal;
}

interface SideData {
  rotation?: number | string;
}
interface ProbedStream {
  codec_type?: string;
  codec_name?: string;
  width?: number;
  height?: number;
  tags?: { rotate?: string };
  disposition?: { attached_pic?: number; timed_thumbnails?: number };
  side_data_list?: SideData[];
}
interface ProbeOutput {
  streams?: ProbedStream[];
  frames?: { media_type?: string; side_data_list?: SideData[] }[];
  format?: { format_name?: string; duration?: string; start_time?: string };
}

/** Containers that ffmpeg takes text for. */
const TEXT_FORMATS = new Set(["tty", "bintext", "xbin", "idf"]);

/** Asks ffprobe. Throws an `InputError` when there is no video in it, a `VideoExplainerError` when a live source is away. */
export async function probe(options: ProbeOptions): Promise<Probe> {
  const { called, firstPicture } = options;
  const args = [
    ...["-hide_banner", "-v", "level+error", "-of", "json", "-show_streams", "-show_format"],
    ...(firstPicture ? ["-show_frames", "-read_intervals", "%+#1"] : []),
    ...options.inputOptions,
    ...["-i", options.input],
  ];
  const program = ffprobePath();
  const { haste, signal, stdin, timeoutMs } = options;
  const ran = await runChild({ program, args, haste, signal }, timeoutMs, stdin).catch((cause: unknown) => {
    throw startFault("ffprobe", program, cause);
  });
  const { stdout, code, timedOut } = ran;
  const words = new LastWords(options.mask);
  for (const line of ran.stderr.split(/\r?\n|\r/)) words.add(line);
  if (ran.flooded) {
    throw new InputError("unreadable-video", `${called} cannot be read as video: what it holds cannot be listed.`);
  }
  if (timedOut) {
    const text = `${called} gave no pictures within ${options.timeoutMs / 1000} s.`;
    throw options.live ? new VideoExplainerError("unreachable", text) : new InputError("unreadable-video", text);
  }
  const output = code === 0 ? (JSON.parse(stdout) as ProbeOutput) : {};
  const format = output.format?.format_name ?? "";
  if (code !== 0 || TEXT_FORMATS.has(format)) {
    const reason = code !== 0 ? words.summary() : null;
    if (options.live && reason) {
      throw new VideoExplainerError("unreachable", `${called} cannot be reached: ${reason}.`);
    }
    const what = TEXT_FORMATS.has(format) ? "it is a text file" : (reason ?? `ffprobe ended with code ${code}`);
    throw new InputError("unreadable-video", `${called} cannot be read as video: ${what}.`);
  }
  const videos = (output.streams ?? []).filter(isPictures);
  const best = videos.reduce<number>((at, v, i) => (area(v) > area(videos[at]) ? i : at), 0);
  const video = videos[best];
  if (!video || area(video) === 0) {
    const kinds = [...new Set((output.streams ?? []).filter((s) => s !== video).map((s) => s.codec_type ?? "data"))];
    const has = kinds.length > 0 ? ` (only ${kinds.join(" and ")})` : "";
    throw new InputError("no-video", `${called} holds no video${has}; give a film, a stream or pictures.`);
  }
  const [width, height] = upright(video, output);
  const duration = Number(output.format?.duration);
  const start = Number.parseFloat(output.format?.start_time ?? "");
  return {
    ...{ width, height, videoStream: best, format },
    ...(duration > 0 ? { duration } : {}),
    ...(Number.isFinite(start) ? { start } : {}),
  };
}

const area = (stream?: ProbedStream): number => (stream?.width ?? 0) * (stream?.height ?? 0);

const isPictures = (stream: ProbedStream): boolean =>
  stream.codec_type === "video" && !stream.disposition?.attached_pic && !stream.disposition?.timed_thumbnails;

/** ffmpeg turns pictures upright by their display matrix, so a quarter turn swaps width and height. */
function upright(video: ProbedStream, output: ProbeOutput): [number, number] {
  const frame = output.frames?.find((f) => f.media_type === "video");
  const matrices = [...(video.side_data_list ?? []), ...(frame?.side_data_list ?? [])];
  const rotation = Number(matrices.find((d) => d.rotation !== undefined)?.rotation ?? video.tags?.rotate ?? 0);
  const turned = Math.abs(Math.round(rotation / 90)) % 2 === 1;
  return turned ? [video.height!, video.width!] : [video.width!, video.height!];
}
