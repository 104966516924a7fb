import type { SourceConfig } from "../../config/schema.js";
import type { Probe } from "../probe.js";
import type { FfmpegVersion } from "../tools.js";
import type { Reach } from "./reach.js";

/** What ffmpeg is given to read: an address, or the text of a list on its standard input. */
export interface SourceInput {
  /** Behind `-i`. */
  address: string;
  /** Written to ffmpeg's standard input, when the address is `pipe:0`. */
  stdin?: string;
  /** What ffprobe looks at instead (the first picture of many). */
  probeAddress?: string;
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
  /** Options for ffprobe where they differ. */
  probeOptions?(config: SourceConfig): string[];
  /** Size of its pictures where no look is needed. */
  size?(config: SourceConfig): { width: number; height: number };
  traits?(probe: Probe | undefined, config: SourceConfig): StreamTraits;
  /** Changes when what a looping film or folder shows has changed; empty while there is nothing to show. */
  revision?(config: SourceConfig, baseDir: string): string | Promise<string>;
  /** It may turn out to be a playlist. */
  readonly playlists?: boolean;
  /** Pictures may differ in size and proportions, and carry their own rotation. */
  readonly mixedPictures?: boolean;
  /** Its rate is set by its input options, so no frame is left out to reach it. */
  readonly setsRate?: boolean;
}

/** ffmpeg's own limit for silence, in microseconds. */
export const SILENCE_US = "10000000";

/** ffmpeg would watch twenty frames to guess a rate that nobody needs; a slow camera connects seconds earlier without. */
export const NO_RATE_GUESS: readonly string[] = ["-fpsprobesize", "0"];
