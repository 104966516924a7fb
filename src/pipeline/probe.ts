import { spawn } from "node:child_process";
import { InputError, VideoExplainerError } from "../errors.js";
import { calm, dyingWithParent, endChild, ffprobePath, missing } from "./tools.js";
import { LastWords } from "./words.js";

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
}

export interface ProbeOptions {
  input: string;
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
  tags?: { rotate?: string };
  disposition?: { attached_pic?: number; timed_thumbnails?: number };
  side_data_list?: SideData[];
}
interface ProbeOutput {
  streams?: ProbedStream[];
  frames?: { media_type?: string; side_data_list?: SideData[] }[];
  format?: { format_name?: string; duration?: string; start_time?: string };
}

/** Thrown, with the format that was found, when there are pictures whose size does not show. */
export class NoSizeError extends InputError {
  constructor(
    text: string,
    readonly format: string,
  ) {
    super("no-size", text);
  }
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
  const { stdout, code, words, timedOut } = await runProbe(args, options);
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
  if (video && area(video) === 0) {
    const what = `${video.codec_name ?? "of an unknown codec"} in ${format}`;
    const why = "it may be damaged, cut off, or without a whole picture at its start";
    throw new NoSizeError(`${called} cannot be read as video: its size does not show (${what}); ${why}.`, format);
  }
  if (!video) {
    const kinds = [...new Set((output.streams ?? []).map((s) => s.codec_type ?? "data"))];
    const has = kinds.length > 0 ? ` (only ${kinds.join(" and ")})` : "";
    throw new InputError("no-video", `${called} holds no video${has}; give a film, a stream or pictures.`);
  }
  const isTurned = turnedByItself(video, output);
  const [width, height] = isTurned ? [video.height!, video.width!] : [video.width!, video.height!];
  const pixelAspect = pixelAspectOf(video);
  const duration = Number(output.format?.duration);
  const start = Number.parseFloat(output.format?.start_time ?? "");
  return {
    ...{ width, height, videoStream: best, format },
    pixelAspect: isTurned ? 1 / pixelAspect : pixelAspect,
    untagged: isUntagged(video, format),
    isRgb: /^(?:rgb|bgr|gbr|argb|abgr|0rgb|0bgr|x2|pal8)/.test(video.pix_fmt ?? ""),
    ...(duration > 0 ? { duration } : {}),
    ...(Number.isFinite(start) ? { start } : {}),
  };
}

const area = (stream?: ProbedStream): number => (stream?.width ?? 0) * (stream?.height ?? 0);

const isPictures = (stream: ProbedStream): boolean =>
  stream.codec_type === "video" && !stream.disposition?.attached_pic && !stream.disposition?.timed_thumbnails;

/** ffmpeg turns pictures upright by their display matrix; a quarter turn swaps width and height. */
function turnedByItself(video: ProbedStream, output: ProbeOutput): boolean {
  const frame = output.frames?.find((f) => f.media_type === "video");
  const matrices = [...(video.side_data_list ?? []), ...(frame?.side_data_list ?? [])];
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

interface Ran {
  stdout: string;
  code: number | null;
  words: LastWords;
  timedOut: boolean;
}

function runProbe(args: readonly string[], { timeoutMs, mask, signal }: ProbeOptions): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const words = new LastWords(mask);
    const [command, wrapped] = dyingWithParent(ffprobePath(), args);
    const child = spawn(command, wrapped, { stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    let timedOut = false;
    const end = () =>
      void endChild(child, 1000).then(() => {
        // What it started may still hold them.
        child.stdout.destroy();
        child.stderr.destroy();
      });
    const timer = setTimeout(() => {
      timedOut = true;
      end();
    }, timeoutMs);
    signal?.addEventListener("abort", end, { once: true });
    calm(child.stderr, 262_144);
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-65_536);
    });
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    };
    child.once("error", (error) => {
      settle();
      reject(missing("ffprobe", ffprobePath(), error));
    });
    child.once("close", (code) => {
      settle();
      // setpriv itself answers 127 when the program it should become does not exist.
      if (code === 127 && stdout === "") {
        reject(missing("ffprobe", ffprobePath(), { code: "ENOENT" }));
        return;
      }
      for (const line of stderr.split(/\r?\n|\r/)) words.add(line);
      resolve({ stdout, code, words, timedOut });
    });
    if (signal?.aborted) end();
  });
}
