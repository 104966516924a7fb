import { type ErrorContext, InputError, VideoExplainerError } from "../errors.js";
import { runChild } from "./children.js";
import type { Haste } from "./gate.js";
import { StderrTail } from "./log-lines.js";
import { ffprobePath, startFault } from "./version.js";

/** What ffprobe says of an input's pictures. */
export interface Probe {
  /** Size in pixels as ffmpeg will decode it, turned upright. */
  width: number;
  height: number;
  /** Width of a pixel by its height, upright; 1 where the stream does not say. */
  pixelAspect: number;
  /** It does not say how its colours are coded, nor does a standard, so that they go by its size. */
  untagged: boolean;
  /** Its colours are not coded as luminance and chrominance. */
  isRgb: boolean;
  /** Which of the pictures streams this is, cover pictures not counted. */
  videoStream: number;
  /** Container, as ffmpeg names it, e.g. `mov,mp4,m4a,3gp,3g2,mj2`. */
  format: string;
  /** Seconds, where the container says; undefined for what is live. */
  duration?: number;
  /** Seconds, on the stream's own clock, where it begins. */
  start?: number;
  /** Bytes of the whole, where the file system or the server says. */
  size?: number;
  pictures: PictureCount;
}

/** What a film says of its pictures before they are decoded. */
export interface PictureCount {
  /** As the container counts them or, `estimated`, from duration and rate. */
  frames?: number;
  estimated: boolean;
  /** Seconds of the pictures alone, where they are known. */
  duration?: number;
}

export interface ProbeOptions {
  input: string;
  /** Text for its standard input. */
  stdin?: string;
  inputOptions: readonly string[];
  /** Says nothing for so long: given up. */
  timeoutMs: number;
  mask: (text: string) => string;
  /** The input, for errors about it. */
  about: ErrorContext;
  /** Away rather than unreadable, when nothing can be read. */
  live: boolean;
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
  sample_aspect_ratio?: string;
  pix_fmt?: string;
  color_space?: string;
  nb_frames?: string;
  avg_frame_rate?: string;
  duration?: string;
  tags?: { rotate?: string; enc_key_id?: string };
  disposition?: { attached_pic?: number; timed_thumbnails?: number };
  side_data_list?: SideData[];
}
interface ProbeOutput {
  streams?: ProbedStream[];
  packets?: { codec_type?: string; side_data_list?: { side_data_type?: string }[] }[];
  format?: { format_name?: string; duration?: string; start_time?: string; size?: string };
}

/** So many of a film are looked at, of sound and pictures. */
const PACKETS = 50;
/** Thrown, with the format that was found, when there are pictures whose size does not show. */
export class NoSizeError extends InputError {
  constructor(
    text: string,
    readonly format: string,
    about: ErrorContext,
  ) {
    super("no-size", text, about);
  }
}

/** Containers that ffmpeg takes text for. */
const TEXT_FORMATS = new Set(["tty", "bintext", "xbin", "idf"]);

/** Asks ffprobe. Throws an `InputError` when there is no video in it, a `VideoExplainerError` when a live source is away. */
export async function probe(options: ProbeOptions): Promise<Probe> {
  const { about } = options;
  const args = [
    ...["-hide_banner", "-v", "level+error", "-of", "json", "-show_streams", "-show_format"],
    // A film that is encrypted says so of its packets alone. Those of a live stream would have to be waited for.
    ...(options.live ? [] : ["-show_packets", "-read_intervals", `%+#${PACKETS}`]),
    ...options.inputOptions,
    ...["-i", options.input],
  ];
  const program = ffprobePath();
  const { haste, signal, stdin, timeoutMs } = options;
  const ran = await runChild({ program, args, haste, signal }, timeoutMs, stdin).catch((cause: unknown) => {
    throw startFault("ffprobe", program, cause);
  });
  const { stdout, code, timedOut } = ran;
  const stderrTail = new StderrTail(options.mask);
  for (const line of ran.stderr.split(/\r?\n|\r/)) stderrTail.add(line);
  if (ran.flooded) {
    throw new InputError("unreadable-video", "cannot be read as video: what it holds cannot be listed", about);
  }
  if (timedOut) {
    const text = `gave no pictures within ${options.timeoutMs / 1000} s`;
    throw options.live
      ? new VideoExplainerError("unreachable", text, about)
      : new InputError("unreadable-video", text, about);
  }
  const output = code === 0 ? (JSON.parse(stdout) as ProbeOutput) : {};
  const format = output.format?.format_name ?? "";
  if (code !== 0 || TEXT_FORMATS.has(format)) {
    const reason = code !== 0 ? stderrTail.summary() : null;
    if (options.live && reason) {
      throw new VideoExplainerError("unreachable", `cannot be reached: ${inOtherWords(reason)}`, about);
    }
    const what = TEXT_FORMATS.has(format) ? "it is a text file" : (reason ?? `ffprobe ended with code ${code}`);
    throw new InputError("unreadable-video", `cannot be read as video: ${what}`, about);
  }
  const videos = (output.streams ?? []).filter(isPictures);
  const best = videos.reduce<number>((at, v, i) => (area(v) > area(videos[at]) ? i : at), 0);
  const video = videos[best];
  if (video && area(video) === 0) {
    const what = `${video.codec_name ?? "of an unknown codec"} in ${format}`;
    const why = "it may be damaged, cut off, or without a whole picture at its start";
    throw new NoSizeError(`cannot be read as video: its size does not show (${what}); ${why}`, format, about);
  }
  if (!video) {
    const kinds = [...new Set((output.streams ?? []).map((s) => s.codec_type ?? "data"))];
    const has = kinds.length > 0 ? ` (only ${kinds.join(" and ")})` : "";
    throw new InputError("no-video", `holds no video${has}; give a film, a stream or pictures`, about);
  }
  if (isEncrypted(video, output)) {
    const text = `is encrypted, so its pictures cannot be decoded; give it without protection, or its key with inputOptions: ["-decryption_key …"]`;
    throw new InputError("encrypted", text, about);
  }
  const isTurned = turnedByItself(video);
  const [width, height] = isTurned ? [video.height!, video.width!] : [video.width!, video.height!];
  const pixelAspect = pixelAspectOf(video);
  const duration = Number(output.format?.duration);
  const size = Number(output.format?.size);
  const start = Number.parseFloat(output.format?.start_time ?? "");
  return {
    ...{ width, height, videoStream: best, format },
    pixelAspect: isTurned ? 1 / pixelAspect : pixelAspect,
    untagged: isUntagged(video, format),
    isRgb: /^(?:rgb|bgr|gbr|argb|abgr|0rgb|0bgr|x2|pal8)/.test(video.pix_fmt ?? ""),
    ...(duration > 0 ? { duration } : {}),
    ...(Number.isFinite(start) ? { start } : {}),
    ...(size > 0 ? { size } : {}),
    pictures: countOf(video, duration),
  };
}

/** `whole`: the container's duration, which counts where the stream does not say its own. */
function countOf({ nb_frames, avg_frame_rate = "", duration: own }: ProbedStream, whole: number): PictureCount {
  const duration = [Number(own), whole].find((seconds) => seconds > 0);
  const counted = Number(nb_frames);
  const [over, under] = avg_frame_rate.split("/").map(Number);
  const guessed = Math.round(duration && over! > 0 && under! > 0 ? (duration * over!) / under! : 0);
  const frames = counted > 0 ? counted : guessed;
  return { ...(frames > 0 && { frames }), ...(duration && { duration }), estimated: !(counted > 0) };
}

const isEncrypted = (video: ProbedStream, { packets = [] }: ProbeOutput): boolean =>
  video.tags?.enc_key_id !== undefined ||
  packets.some(
    (packet) =>
      packet.codec_type === "video" && packet.side_data_list?.some((d) => d.side_data_type === "Encryption info"),
  );

/** Of a camera that closes the connection without a word ffmpeg says no more than this. */
const CLOSED: Readonly<Record<string, string>> = {
  "End of file": "it closed the connection without an answer",
  "Invalid data found when processing input": "it closed the connection at once, or what it sends is no video",
};

const inOtherWords = (reason: string): string =>
  CLOSED[reason]
    ? `${CLOSED[reason]} (${reason}); check its port and path, and how many may watch it at a time`
    : reason;

const area = (stream?: ProbedStream): number => (stream?.width ?? 0) * (stream?.height ?? 0);

const isPictures = (stream: ProbedStream): boolean =>
  stream.codec_type === "video" && !stream.disposition?.attached_pic && !stream.disposition?.timed_thumbnails;

/** ffmpeg turns pictures upright by their display matrix; a quarter turn swaps width and height. */
function turnedByItself(video: ProbedStream): boolean {
  const matrices = video.side_data_list ?? [];
  const rotation = Number(matrices.find((d) => d.rotation !== undefined)?.rotation ?? video.tags?.rotate ?? 0);
  return Math.abs(Math.round(rotation / 90)) % 2 === 1;
}

function pixelAspectOf({ sample_aspect_ratio = "" }: ProbedStream): number {
  const [across, down] = sample_aspect_ratio.split(":").map(Number);
  return across! > 0 && down! > 0 ? across! / down! : 1;
}

/** Pictures of these are BT.601 by their own standards; USB cameras are by theirs. */
const STILL_CODECS = /^(?:mjpeg|mjpegb|ljpeg|jpegls|jpeg2000|webp|amv|thp|smvjpeg|sp5x)$/;
const USB_CAMERA = /v4l2/;

function isUntagged({ codec_name = "", pix_fmt = "", color_space = "unknown" }: ProbedStream, format: string): boolean {
  const says = !/^(?:unknown|unspecified)$/.test(color_space);
  return !says && /^(?:yuv|nv|p[024]|uyvy)/.test(pix_fmt) && !STILL_CODECS.test(codec_name) && !USB_CAMERA.test(format);
}
