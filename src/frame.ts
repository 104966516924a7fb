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
  release(): void;
}
