import type { SourceConfig } from "../config/schema.js";
import { InputError, VideoExplainerError } from "../errors.js";
import { filterGraph } from "./filters.js";
import type { FrameLayout } from "./frame.js";
import type { Haste } from "./gate.js";
import { hardwareOptions } from "./hardware.js";
import { hiddenInput, type ToldInput } from "./hidden-address.js";
import { maskerOf, optionSecrets } from "./mask.js";
import { type Fit, frameLayout, scaledSize, turned } from "./placement.js";
import { probe } from "./probe.js";
import type { SourceKind, StreamTraits } from "./sources/kind.js";
import { sourceKind } from "./sources/registry.js";
import { type FfmpegVersion, isAtLeast } from "./tools.js";

/** What the model wants to be shown. */
export interface ModelView {
  inputWidth: number;
  inputHeight: number;
  fit: Fit;
}

/** What is known of a source from its configuration alone. */
export interface SourceSpec {
  config: SourceConfig;
  kind: SourceKind;
  baseDir: string;
  policy: "latest" | "every-frame";
  mask: (text: string) => string;
  /** How sentences name it, credentials masked. */
  called: string;
}

/** Everything ffmpeg is told, and what comes of it. */
export interface DecodePlan {
  layout: FrameLayout;
  /** Behind `-i`. */
  address: string;
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
}

/** Containers that ffmpeg winds back without losing a frame; others are started anew to loop. */
const REWINDS = /\b(?:mov|matroska|gif)\b/;
/** Options of ffmpeg that ffprobe does not know; each takes one value. */
const FFMPEG_ONLY = new Set(
  "-ss -sseof -t -to -itsoffset -itsscale -stream_loop -readrate -c -c:v -codec -codec:v -vcodec -hwaccel -hwaccel_device -hwaccel_output_format -init_hw_device -filter_hw_device -vaapi_device -qsv_device -thread_queue_size -autorotate -r -isync".split(
    " ",
  ),
);
const FFMPEG_ONLY_FLAGS = new Set(["-re", "-an", "-sn", "-dn", "-copyts", "-accurate_seek", "-noaccurate_seek"]);

/** Reads the configuration of a source. Throws an `InputError` for an address of no known kind. */
export function sourceSpec(config: SourceConfig, baseDir: string): SourceSpec {
  const kind = sourceKind(config.name, config.url, baseDir);
  const mask = maskerOf([config.url, ...config.inputOptions], optionSecrets(splitOptions(config.inputOptions)));
  return {
    config,
    kind,
    baseDir,
    policy: config.policy ?? (kind.isLive ? "latest" : "every-frame"),
    mask,
    called: `Source ${config.name}: ${mask(config.url)}`,
  };
}

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

export interface PlanOptions {
  timeoutMs: number;
  haste?: Haste;
  signal?: AbortSignal;
  hardware?: string;
  /** The plan of the last connection that gave frames. */
  shown?: DecodePlan;
}

/** Looks at the stream and plans its decoding. Throws an `InputError` or `VideoExplainerError` of one sentence. */
export async function planDecoding(
  spec: SourceSpec,
  view: ModelView,
  version: FfmpegVersion,
  { hardware, shown, ...options }: PlanOptions,
): Promise<DecodePlan> {
  const { config, kind, baseDir } = spec;
  const input = await kind.input(config, baseDir);
  const users = splitOptions(config.inputOptions);
  const kinds = kind.inputOptions(config, version);
  const plain: ToldInput = { address: input.address, stdin: input.stdin, inputOptions: kinds };
  // Of the user's options nobody knows which are the list's and which the stream's.
  const isSecret = users.length === 0 && spec.mask(input.address) !== input.address;
  const told = (isSecret && hiddenInput(input.address, kinds, version)) || plain;
  const own = told.inputOptions;
  const knownSize = kind.size?.(config) ?? (kind.isLive && !kind.traits ? bothOf(config) : undefined);
  const probed = knownSize
    ? undefined
    : await probe({
        ...options,
        input: input.probeAddress ?? told.address,
        stdin: input.probeAddress ? undefined : told.stdin,
        inputOptions: [...(kind.probeOptions?.(config) ?? own), ...forFfprobe(users)],
        mask: spec.mask,
        called: spec.called,
        live: kind.isLive,
        firstPicture: kind.mixedPictures,
      });
  const { width, height } = knownSize ?? scaledSize(turned(probed!, config.rotate), config);
  const layout = layoutOf(spec, view, width, height);
  const traits: StreamTraits = kind.traits?.(probed, config) ?? {
    finite: !kind.isLive,
    paced: false,
    inputOptions: [],
  };
  if (shown && kind.isLive) refuseOld(spec, shown, traits);
  return {
    layout,
    address: told.address,
    stdin: told.stdin,
    hardware,
    finite: traits.finite,
    position: traits.position,
    inputOptions: [
      ...["-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+warning"],
      // A film keeps its own clock; of a live stream ffmpeg mends the jumps, and it decodes without frames in reserve.
      ...(kind.isLive ? ["-thread_type", "slice"] : ["-copyts"]),
      ...(isPaced(spec, traits) ? ["-re"] : []),
      ...(config.loop && !kind.isLive && REWINDS.test(probed?.format ?? "") ? ["-stream_loop", "-1"] : []),
      ...hardwareOptions(hardware),
      ...own,
      ...traits.inputOptions,
      ...users,
    ],
    filter: filterGraph({
      layout,
      region: config.region,
      rotate: config.rotate,
      fit: view.fit,
      fps: kind.setsRate ? undefined : config.fps,
      keepAspect: kind.mixedPictures,
      videoStream: probed?.videoStream,
      untimed: traits.untimed,
    }),
  };
}

/** Frames pass as they come: by default ffmpeg would repeat and leave out frames to reach a constant rate. */
export const outputOptions = (version: FfmpegVersion): string[] => [
  ...(isAtLeast(version, 5, 1) ? ["-fps_mode", "passthrough"] : ["-vsync", "passthrough"]),
  ...["-f", "rawvideo", "-pix_fmt", "rgb24"],
];

/** What is left of a live stream that has stopped is no new picture. */
function refuseOld({ called }: SourceSpec, shown: DecodePlan, { finite, position }: StreamTraits): void {
  if (shown.finite) return;
  if (finite) {
    throw new VideoExplainerError("unreachable", `${called} was live and has ended; it is waited for.`);
  }
  if (position !== undefined && position === shown.position) {
    throw new VideoExplainerError("unreachable", `${called} has not gone on: all that it holds was shown already.`);
  }
}

function isPaced({ config, kind, policy }: SourceSpec, traits: StreamTraits): boolean {
  if (kind.isLive) return traits.paced && !(traits.finite && config.pace === "fast");
  return (config.pace ?? (config.loop || policy === "latest" ? "realtime" : "fast")) === "realtime";
}

function layoutOf({ config, called }: SourceSpec, view: ModelView, width: number, height: number): FrameLayout {
  try {
    return frameLayout(width, height, config.region, view.fit, view.inputWidth, view.inputHeight);
  } catch (error) {
    if (error instanceof InputError) throw new InputError(error.code, `${called}: ${error.message}`);
    throw error;
  }
}

const bothOf = ({ width, height }: SourceConfig) => (width && height ? { width, height } : undefined);
