import { InputError } from "./errors.js";
import type { Fit } from "./fit.js";

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

/** What a model wants to see of a frame. */
export interface ModelView {
  inputWidth: number;
  inputHeight: number;
  fit: Fit;
}

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

/** How the watched region is cut and scaled into the model's input; whole pixels, as ffmpeg takes them. */
export interface Fitting {
  /** Part of the frame that is read, in frame pixels. */
  source: Rect;
  /** Where it comes to lie in the model's input, in its pixels. Around it is mid grey. */
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

/** Cuts and scales `region` for a model's input. */
export function fitting(region: Rect, { fit, inputWidth, inputHeight }: ModelView): Fitting {
  const whole: Rect = { x: 0, y: 0, width: inputWidth, height: inputHeight };
  if (fit === "stretch") return { source: region, target: whole };
  if (fit === "crop") {
    const scale = Math.max(inputWidth / region.width, inputHeight / region.height);
    const width = clamp(Math.round(inputWidth / scale), region.width);
    const height = clamp(Math.round(inputHeight / scale), region.height);
    const x = region.x + Math.floor((region.width - width) / 2);
    const y = region.y + Math.floor((region.height - height) / 2);
    return { source: { x, y, width, height }, target: whole };
  }
  const scale = Math.min(inputWidth / region.width, inputHeight / region.height);
  const width = clamp(Math.round(region.width * scale), inputWidth);
  const height = clamp(Math.round(region.height * scale), inputHeight);
  const x = Math.floor((inputWidth - width) / 2);
  const y = Math.floor((inputHeight - height) / 2);
  return { source: region, target: { x, y, width, height } };
}

/** Where the whole of a model's input lies on the frame, and the part of it that it saw. */
const placementOf = ({ source, target }: Fitting, { inputWidth, inputHeight }: ModelView): Placement => ({
  rect: {
    x: source.x - (target.x * source.width) / target.width,
    y: source.y - (target.y * source.height) / target.height,
    width: (inputWidth * source.width) / target.width,
    height: (inputHeight * source.height) / target.height,
  },
  clip: source,
});

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
