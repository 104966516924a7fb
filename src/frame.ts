import { InputError } from "./errors.js";
import type { ModelView } from "./fit.js";

/** A rectangle in pixels; fractions are allowed where a mapping yields them. */
export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

/**
 * Where the model's input picture lies on the frame. `rect` is the whole model input in frame pixels (it may reach
 * outside the watched region when `fit` is `letterbox`); `clip` is the part of the frame that the model really saw.
 * A point (u, v) of the model input, in its pixels, lies at `rect.x + u / inputWidth * rect.width` and likewise in y.
 */
export interface Placement {
  rect: Rect;
  clip: Rect;
}

/**
 * How one decoded frame lies in its slab: RGB, 3 bytes a pixel, `stride` bytes a row.
 * Rows `0 .. height-1` hold the whole picture in their first `width * 3` bytes;
 * rows `height .. height+inputHeight-1` hold the model's input picture in their first `inputWidth * 3` bytes.
 */
export interface FrameLayout {
  width: number;
  height: number;
  inputWidth: number;
  inputHeight: number;
  /** Bytes a row: `3 * max(width, inputWidth)`. */
  stride: number;
  placement: Placement;
}

/** Bytes that one frame of this layout takes. */
export const frameBytes = (layout: FrameLayout): number => layout.stride * (layout.height + layout.inputHeight);

/** Where in a slab the model's input picture lies. */
export const modelRows = ({ height, stride }: FrameLayout): { offset: number; stride: number } => ({
  offset: height * stride,
  stride,
});

/** What is known of a picture from elsewhere than the model. */
export interface FrameTruth {
  /** Of the class that it shows. */
  label: string;
  /** Where that shows in the model's input: a byte a pixel, row-major, 1 inside; and its share of what the model sees of the picture. */
  mask?: { inside: Uint8Array; area: number };
}

/** One decoded frame. Its memory belongs to a pool of its source: call `release` exactly once when done with it. */
export interface Frame {
  readonly source: string;
  /** Counts the times its source was (re)connected, from 0. */
  readonly epoch: number;
  /** Counts the frames of its source over all epochs, from 0. */
  readonly sequence: number;
  /**
   * Seconds, of the stream's own clock; of a live one, where that is set or says nothing, of the time that passes, so that they rise
   * within an epoch.
   */
  readonly pts: number;
  /** Unix milliseconds, on the host's clock as it is set now: see `CaptureClock`. */
  readonly capturedAt: number;
  /** `performance.now()` when the last byte had arrived. */
  readonly receivedAt: number;
  /** What to do when consumers are slow: `every-frame` pauses the source, `latest` lets newer frames win. */
  readonly policy: "latest" | "every-frame";
  readonly layout: FrameLayout;
  readonly memory: SharedArrayBuffer;
  /** Where the source's `truth` says something of it. */
  readonly truth?: FrameTruth;
  release(): void;
}

/** Which frame a picture is of, for an explainer that hands it on; frames of one source come in their order. */
export interface FrameTicket {
  readonly source: string;
  /** As message ids have it: of its own for each connection of the source, over all runs. */
  readonly epoch: number;
  readonly sequence: number;
  /** `performance.now()` when it had arrived. */
  readonly receivedAt: number;
  /** Nobody waits for an old one. */
  readonly isLive: boolean;
  /** It is in other hands from now on, or back; told in turns, and of no effect once nobody waits for the picture. */
  givenOut(isOut: boolean): void;
}

/** Degrees clockwise. */
export type Rotation = 0 | 90 | 180 | 270;

/** A size after the picture was turned, and just as well before. */
export const turned = <S extends { width: number; height: number }>({ width, height }: S, rotate: Rotation) =>
  rotate % 180 === 0 ? { width, height } : { width: height, height: width };

/** Nobody makes pixels more oblong than this. */
const MAX_OBLONG_RATIO = 4;

/** Whether a stream can be right that says so of its pixels. */
export const isBelievable = (pixelAspect: number): boolean =>
  pixelAspect <= MAX_OBLONG_RATIO && pixelAspect >= 1 / MAX_OBLONG_RATIO;

/** The size that is meant to be seen, of square pixels: the side that is too short grows, so that no line or column is lost. */
export function squared<S extends { width: number; height: number }>({ width, height }: S, pixelAspect: number) {
  return pixelAspect >= 1
    ? { width: Math.round(width * pixelAspect), height }
    : { width, height: Math.round(height / pixelAspect) };
}

/** The configured size; what is not given follows in proportion. */
export function scaledSize(
  { width, height }: { width: number; height: number },
  wanted: { width?: number; height?: number },
): { width: number; height: number } {
  const w = wanted.width ?? (wanted.height ? Math.max(1, Math.round((width * wanted.height) / height)) : width);
  const h = wanted.height ?? (wanted.width ? Math.max(1, Math.round((height * wanted.width) / width)) : height);
  return { width: w, height: h };
}

/** How the watched region is scaled and set into the model's input; whole pixels, as ffmpeg takes them. */
export interface Fitting {
  /** Part of the frame that is read, in frame pixels. */
  source: Rect;
  /** The size that it is resized to. */
  resized: { width: number; height: number };
  /** Part of the resized picture that the model sees, in its pixels. */
  cut: Rect;
  /** Where that comes to lie in the model's input, in its pixels. Around it is the view's `fill`. */
  target: Rect;
}

const size = (r: { width: number; height: number }): string => `${r.width}x${r.height}`;

/** The watched part of a frame. Throws an `InputError` when the region reaches outside the frame. */
export function watchedRegion(width: number, height: number, region?: Rect): Rect {
  if (!region) return { x: 0, y: 0, width, height };
  if (region.x < 0 || region.y < 0 || region.x + region.width > width || region.y + region.height > height) {
    throw new InputError(
      "region",
      `the region x ${region.x}, y ${region.y}, ${size(region)} reaches outside the ${width}x${height} frame (it ends at x ${region.x + region.width}, y ${region.y + region.height}); choose one inside`,
    );
  }
  return { ...region };
}

/** Scales `region` and sets it into a model's input. */
export function fitting(region: Rect, view: ModelView): Fitting {
  const { inputWidth, inputHeight } = view;
  const resized = resizedSize(region, view);
  const across = centred(resized.width, inputWidth, view);
  const down = centred(resized.height, inputHeight, view);
  return {
    source: region,
    resized,
    cut: { x: across.from, y: down.from, width: across.length, height: down.length },
    target: { x: across.to, y: down.to, width: across.length, height: down.length },
  };
}

/** The longer side is cut off to whole pixels where the shorter one is given, as torchvision and transformers do. */
function resizedSize({ width, height }: Rect, { fit, inputWidth, inputHeight, resize }: ModelView) {
  const wanted = resize ?? { width: inputWidth, height: inputHeight };
  if (fit === "stretch") return wanted;
  const [across, down] = [wanted.width / width, wanted.height / height];
  if (fit === "crop")
    return across >= down
      ? { width: wanted.width, height: Math.max(wanted.height, Math.floor((wanted.width * height) / width)) }
      : { width: Math.max(wanted.width, Math.floor((wanted.height * width) / height)), height: wanted.height };
  const scale = Math.min(across, down);
  return {
    width: clamp(Math.round(width * scale), wanted.width),
    height: clamp(Math.round(height * scale), wanted.height),
  };
}

/** The middle of `length` pixels for a place of `room`: where it is cut out, and where it is laid. */
function centred(length: number, room: number, { cropRounding }: ModelView) {
  if (length <= room) return { from: 0, to: Math.floor((room - length) / 2), length };
  const rest = length - room;
  const first = Math.floor(rest / 2);
  const from = rest % 2 === 1 && first % 2 === 1 && cropRounding !== "down" ? first + 1 : first;
  return { from, to: 0, length: room };
}

/** Where the whole of a model's input lies on the frame, and the part of it that it saw. */
function placementOf({ source, resized, cut, target }: Fitting, { inputWidth, inputHeight }: ModelView): Placement {
  const across = (pixels: number): number => (pixels * source.width) / resized.width;
  const down = (pixels: number): number => (pixels * source.height) / resized.height;
  const at = (x: number, y: number, width: number, height: number): Rect => ({
    x: source.x + across(x),
    y: source.y + down(y),
    width: across(width),
    height: down(height),
  });
  return {
    rect: at(cut.x - target.x, cut.y - target.y, inputWidth, inputHeight),
    clip: at(cut.x, cut.y, cut.width, cut.height),
  };
}

/** The layout of one frame in its slab. Throws an `InputError` when the region reaches outside the frame. */
export function frameLayout(width: number, height: number, region: Rect | undefined, view: ModelView): FrameLayout {
  const { inputWidth, inputHeight } = view;
  return {
    ...{ width, height, inputWidth, inputHeight },
    stride: 3 * Math.max(width, inputWidth),
    placement: placementOf(fitting(watchedRegion(width, height, region), view), view),
  };
}

const clamp = (value: number, high: number): number => Math.min(Math.max(value, 1), high);
