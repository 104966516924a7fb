import type { SourceConfig } from "../../config/schema.js";
import type { Probe } from "../../ffmpeg/probe.js";
import type { FfmpegVersion } from "../../ffmpeg/version.js";
import type { Reach } from "./reach.js";

/** What is to be read. */
export interface SourceInput {
  /** Behind ffmpeg's `-i`. */
  address: string;
  /** Still pictures, which are not ffmpeg's to read; the size of the first, upright. */
  stills?: { paths: readonly string[]; width: number; height: number };
}

/** What is known only once the stream has been looked at. */
export interface StreamTraits {
  /** It ends by itself, so its end is no fault. */
  finite: boolean;
  /** ffmpeg would read it faster than it was taken, so it is held to its own speed. */
  paced: boolean;
  /** More options before `-i`. */
  inputOptions: string[];
  /** Its pictures carry no time: that of their coming counts. */
  untimed?: boolean;
  /** Where it begins on its own clock; to begin there again shows what was shown already. */
  position?: number;
  /** It may be a single picture, to be asked for again: how many seconds later, and with which options ffmpeg does so by itself. */
  repeats?: { seconds: number; options(seconds: number): string[] };
}

/** One kind of source. Everything it says is a pure function of the configuration, but for looking whether files exist. */
export interface SourceKind {
  readonly name: string;
  /** What its addresses look like, for messages. */
  readonly looksLike: string;
  matches(url: string, baseDir: string): boolean;
  /** Live sources are connected again when they end or fail; newest frame wins unless the configuration says otherwise. */
  readonly isLive: boolean;
  /** Options before `-i`, the same for ffmpeg and ffprobe. Limits how long ffmpeg itself waits for silence, where it can. */
  inputOptions(config: SourceConfig, version: FfmpegVersion): string[];
  /** All that ffmpeg may open for it, whatever the far end sends. */
  reach(config: Pick<SourceConfig, "url">): Reach;
  /** Throws or rejects with an `InputError` when what it names does not exist. */
  input(config: SourceConfig, baseDir: string): SourceInput | Promise<SourceInput>;
  /** Size of its pictures where no look is needed. */
  size?(config: SourceConfig): { width: number; height: number };
  traits?(probe: Probe | undefined, config: SourceConfig): StreamTraits;
  /** What it is shows only when it is looked at, so that is done even where its size is configured. */
  readonly mustLook?: boolean;
  /** Options of a first look that is over sooner; where it shows no size, another follows without. */
  readonly quickLook?: readonly string[];
  /** Options with which a stream of this format, whose size does not show, is looked at again. */
  anotherLook?(format: string): readonly string[] | undefined;
  /** Changes when what a looping film or folder shows has changed; empty while there is nothing to show. */
  revision?(config: SourceConfig, baseDir: string): string | Promise<string>;
  /** Still pictures, each a file: our own decoder reads them. */
  readonly stills?: boolean;
  /** It may turn out to be a playlist. */
  readonly playlists?: boolean;
  /** Its rate is set by its input options, so no frame is left out to reach it. */
  readonly setsRate?: boolean;
}

/** Streams of pictures alone, without a container that tells their times. */
const BARE =
  /^(?:h26[1346]|hevc|vvc|evc|m4v|mpegvideo|cavsvideo|avs[23]?|vc1|dirac|obu|mjpeg|mjpeg_2000|mpjpeg|rawvideo|yuv4mpegpipe|image2pipe|\w+_pipe)$/;
/** Those that are whole pictures each. */
const STILLS = /^(?:mjpeg|mjpeg_2000|mpjpeg|\w+_pipe)$/;

/** Of a stream of this format: the time of its pictures is that of their coming, and nothing more need be looked for. */
export const untimedTraits = (format: string): Pick<StreamTraits, "inputOptions" | "untimed"> => ({
  untimed: BARE.test(format),
  inputOptions: STILLS.test(format) ? ["-f", format, ...SMALL_PROBE] : [],
});

/** The format that a user's own options name. */
export function namedFormat(inputOptions: readonly string[]): string | undefined {
  const words = inputOptions.flatMap((option) => option.split(/\s+/));
  const at = words.lastIndexOf("-f");
  return at < 0 ? undefined : words[at + 1];
}

/** ffmpeg would watch twenty frames to guess a rate that nobody needs; a slow camera connects seconds earlier without. */
export const NO_RATE_GUESS: readonly string[] = ["-fpsprobesize", "0"];

/** Begins with the first packet: ffmpeg would watch eight pictures to guess how they are ordered, which a slow camera sends in a minute. */
export const SMALL_PROBE: readonly string[] = ["-probesize", "32"];
