import type { SourceConfig } from "../config/schema.js";
import { InputError, VideoExplainerError, within } from "../errors.js";
import { filterGraph } from "../ffmpeg/filters.js";
import { hardwareOptions } from "../ffmpeg/hardware.js";
import { type FfmpegInput, hiddenInput } from "../ffmpeg/hidden-address.js";
import type { PictureCount, Probe } from "../ffmpeg/probe.js";
import { isHighDefinition } from "../ffmpeg/shape.js";
import { type FfmpegVersion, isAtLeast } from "../ffmpeg/version.js";
import type { ModelView } from "../fit.js";
import type { FrameLayout } from "../frame.js";
import { frameLayout, isBelievable, scaledSize, squared, turned } from "../frame.js";
import { pictureTarget } from "../pictures/reader.js";
import { anySegmentName } from "./hls.js";
import { type LookOptions, look } from "./look.js";
import type { Stills } from "./pictures.js";
import type { SourceSpec } from "./source-spec.js";
import type { StreamTraits } from "./sources/kind.js";
import { reachOptions } from "./sources/reach.js";
import { readTruth, type Truth } from "./truth.js";

/** All of ffmpeg's arguments, and the frames they lead to. */
export interface DecodePlan {
  layout: FrameLayout;
  /** What it says of its pictures, where it was looked at. */
  pictures?: PictureCount;
  /** Still pictures, which are shown without ffmpeg. */
  stills?: Stills;
  /** What is known of its pictures, where the source says so. */
  truth?: Truth;
  /** Behind `-i`. */
  address: string;
  /** Text for ffmpeg's standard input. */
  stdin?: string;
  /** All options before `-i`. */
  inputOptions: string[];
  filter: string;
  /** Hardware that decodes it; undefined: software. */
  hardware?: string;
  /** It ends by itself: no restart, unless it loops. */
  finite: boolean;
  /** Where it begins on the stream's own clock, where to begin there again would show old pictures. */
  position?: number;
  /** A single picture is asked for again after so many seconds. */
  againSeconds?: number;
  /** ffmpeg itself asks for it again. */
  asksAgain?: boolean;
  /** Its pictures carry no time: that of their coming counts. */
  untimed: boolean;
  /** Proportions that its pictures are expected to have, others being set into the frame; undefined where all are stretched to it. */
  aspect?: number;
  /** Whether its pictures were taken to be of high definition; undefined where it does not matter. */
  highDefinition?: boolean;
}

const PICTURES_A_SECOND = 25;
const PLAYLIST = /\.m3u8(?:$|[?#])/i;
/** Containers that ffmpeg winds back without losing a frame; others are started anew to loop. */
const REWINDS = /\b(?:mov|matroska|gif)\b/;
/** What ffmpeg calls them. */
const COLORSPACES = { bt601: "smpte170m", bt709: "bt709", bt2020: "bt2020nc" } as const;
/** Options of ffmpeg that ffprobe does not know; each takes one value. */
const FFMPEG_ONLY = new Set(
  "-ss -sseof -t -to -itsoffset -itsscale -stream_loop -readrate -c -c:v -codec -codec:v -vcodec -hwaccel -hwaccel_device -hwaccel_output_format -init_hw_device -filter_hw_device -vaapi_device -qsv_device -thread_queue_size -autorotate -r -isync".split(
    " ",
  ),
);
const FFMPEG_ONLY_FLAGS = new Set(["-re", "-an", "-sn", "-dn", "-copyts", "-accurate_seek", "-noaccurate_seek"]);

/** Options as the configuration writes them: each its own entry, or an option and its value in one. */
export const splitOptions = (options: readonly string[]): string[] =>
  options.flatMap((option) => {
    const space = option.indexOf(" ");
    return option.startsWith("-") && space > 0 ? [option.slice(0, space), option.slice(space + 1).trim()] : [option];
  });

function forFfprobe(options: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < options.length; i++) {
    const option = options[i]!;
    if (FFMPEG_ONLY.has(option)) i++;
    else if (!FFMPEG_ONLY_FLAGS.has(option)) kept.push(option);
  }
  return kept;
}

export interface PlanOptions extends LookOptions {
  hardware?: string;
  /** The plan of the last connection that gave frames. */
  shown?: DecodePlan;
  /** It turned out to be a single picture. */
  snapshot?: boolean;
}

/**
 * Looks at the stream and plans its decoding; reads what is known of its pictures. Throws an `InputError` or `VideoExplainerError` of one
 * sentence.
 */
export async function planDecoding(
  spec: SourceSpec,
  view: ModelView,
  version: FfmpegVersion,
  options: PlanOptions,
): Promise<DecodePlan> {
  const plan = await planWithoutTruth(spec, view, version, options);
  if (spec.config.truth === undefined) return plan;
  const period = plan.inputOptions.includes("-stream_loop") ? plan.pictures?.duration : undefined;
  return { ...plan, truth: await readTruth(spec, { ...plan, period }, view) };
}

async function planWithoutTruth(
  spec: SourceSpec,
  view: ModelView,
  version: FfmpegVersion,
  { hardware, shown, snapshot, ...options }: PlanOptions,
): Promise<DecodePlan> {
  const { config, kind, baseDir } = spec;
  const input = await kind.input(config, baseDir);
  const users = splitOptions(config.inputOptions);
  const own = kind.inputOptions(config, version);
  const reach = reachOptions(kind.reach(config), users);
  const segments = kind.playlists && !users.includes("-extension_picky") ? await anySegmentName() : [];
  // Older ones refuse an option that what they read has no use for.
  const forProbe = isAtLeast(version, 5, 1) || PLAYLIST.test(config.url) ? segments : [];
  // Of the user's options nobody knows which are the list's and which the stream's.
  const isSecret = users.length === 0 && spec.mask(input.address) !== input.address;
  const inputWith = (inputOptions: readonly string[]): FfmpegInput =>
    (isSecret && hiddenInput(input.address, inputOptions, version)) || { address: input.address, inputOptions };
  const knownSize = kind.size?.(config) ?? (kind.isLive && !kind.mustLook ? bothOf(config) : undefined);
  const looksAt = knownSize === undefined && !input.stills;
  const ask = (more: readonly string[]): FfmpegInput =>
    inputWith([...own, ...more, ...reach, ...forProbe, ...forFfprobe(users)]);
  const probed = looksAt ? await look(spec, ask, options) : undefined;
  const asStored = config.pixelAspect === "stored" || !isBelievable(probed?.pixelAspect ?? 1);
  const seenSize = input.stills ?? (asStored || !probed ? probed : squared(probed, probed.pixelAspect));
  const whole = seenSize && turned(seenSize, config.rotate);
  const { width, height } = knownSize ?? scaledSize(whole!, config);
  const aspect = whole && !input.stills ? whole.width / whole.height : undefined;
  const highDefinition = config.colorMatrix === "auto" && probed?.untagged ? isHighDefinition(probed) : undefined;
  const where = { source: spec.about.source, file: spec.about.subject };
  const layout = within(where, () => frameLayout(width, height, config.region, view));
  within(where, () => requireSeen(layout, config.interest));
  const seen: StreamTraits = kind.traits?.(probed, config) ?? {
    finite: !kind.isLive,
    paced: false,
    inputOptions: [],
  };
  // That way of reading takes no options of the user's, and no picture of unknown length: then each is a connection of its own.
  const asksAgain = snapshot === true && seen.repeats !== undefined && users.length === 0 && probed?.size !== undefined;
  const again = { finite: false, paced: true, untimed: true, inputOptions: [] };
  const traits = asksAgain ? { ...seen, ...again } : seen;
  if (shown && kind.isLive) refuseOld(spec, shown, traits);
  if (input.stills) {
    const stills: Stills = {
      paths: input.stills.paths,
      seconds: 1 / (config.fps ?? PICTURES_A_SECOND),
      paced: isPaced(spec, traits),
      loop: config.loop,
      target: pictureTarget(layout, view, config.region, config.rotate),
    };
    return { layout, stills, address: "", inputOptions: [], filter: "", finite: true, untimed: false };
  }
  const decoded = inputWith([
    ...(asksAgain ? traits.repeats!.options(traits.repeats!.seconds) : own),
    ...reach,
    ...(/\bhls\b/.test(probed?.format ?? "") ? segments : []),
    ...traits.inputOptions,
  ]);
  return {
    layout,
    pictures: probed?.pictures,
    address: decoded.address,
    stdin: decoded.stdin,
    hardware,
    finite: traits.finite,
    position: traits.position,
    againSeconds: traits.repeats?.seconds,
    asksAgain,
    untimed: traits.untimed ?? false,
    aspect,
    highDefinition,
    inputOptions: [
      ...["-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+warning"],
      // A film keeps its own clock; of a live stream ffmpeg mends the jumps, and it decodes without frames in reserve.
      ...(kind.isLive ? ["-thread_type", "slice"] : ["-copyts"]),
      ...(isPaced(spec, traits) ? ["-re"] : []),
      ...(config.loop && !kind.isLive && REWINDS.test(probed?.format ?? "") ? ["-stream_loop", "-1"] : []),
      ...hardwareOptions(hardware),
      ...decoded.inputOptions,
      ...users,
    ],
    filter: filterGraph({
      layout,
      region: config.region,
      rotate: config.rotate,
      view,
      fps: kind.setsRate || asksAgain ? undefined : config.fps,
      live: kind.isLive && !traits.finite,
      aspect,
      storedPixels: asStored,
      colorspace: colorspaceOf(config, probed, highDefinition),
      videoStream: probed?.videoStream,
      untimed: traits.untimed,
    }),
  };
}

/** What is left of a live stream that has stopped is no new picture. */
function refuseOld({ about }: SourceSpec, shown: DecodePlan, { finite, position }: StreamTraits): void {
  if (shown.finite) return;
  if (finite) {
    throw new VideoExplainerError("unreachable", "was live and has ended; it is waited for", about);
  }
  if (position !== undefined && position === shown.position) {
    throw new VideoExplainerError("unreachable", "has not gone on: all that it holds was shown already", about);
  }
}

/** Undefined: as the stream says, or BT.601 where it does not. */
function colorspaceOf({ colorMatrix }: SourceConfig, probed?: Probe, highDefinition?: boolean): string | undefined {
  if (colorMatrix === "auto") return highDefinition ? COLORSPACES.bt709 : undefined;
  return probed?.isRgb ? undefined : COLORSPACES[colorMatrix];
}

function isPaced({ config, kind, policy }: SourceSpec, traits: StreamTraits): boolean {
  if (kind.isLive) return traits.paced && !(traits.finite && config.pace === "fast");
  return (config.pace ?? (config.loop || policy === "latest" ? "realtime" : "fast")) === "realtime";
}

/** Throws an `InputError` where the model sees nothing of what a decision should rest on. */
function requireSeen({ placement: { clip } }: FrameLayout, interest: SourceConfig["interest"]): void {
  if (!interest) return;
  const { x, y, width, height } = interest;
  if (x < clip.x + clip.width && clip.x < x + width && y < clip.y + clip.height && clip.y < y + height) return;
  throw new InputError(
    "region",
    `the interest x ${x}, y ${y}, ${width}x${height} lies outside of what is classified (x ${clip.x}, y ${clip.y}, ${clip.width}x${clip.height}); choose one inside`,
  );
}

const bothOf = ({ width, height }: SourceConfig) => (width && height ? { width, height } : undefined);
