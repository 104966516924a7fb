import type { Resampling } from "../fit.js";
import type { Fitting, FrameLayout, Rotation } from "../frame.js";

/** What a picture says of itself before it is decoded. */
export interface FoundPicture {
  kind: string;
  /** In pixels, upright. */
  width: number;
  height: number;
  /** Of an animation or a file of several pages; the first is shown. */
  pages: number;
  /** Memory that decoding it takes at its peak, its place in a frame not counted. */
  bytes: number;
}

/** How a picture becomes a frame. */
export interface PictureTarget extends Fitting {
  layout: FrameLayout;
  resampling: Resampling;
  /** RGB of what lies around the picture in the model's input. */
  fill: readonly [number, number, number];
  /** Degrees clockwise, after it was turned upright. */
  rotate: Rotation;
  /** What shows through transparent parts, and beside a picture of other proportions than the frame's; grey where it is not said. */
  behind?: "black";
}

/** One picture at a time: `read`, then `write` or `leave`. */
export type ToWorker =
  | { kind: "read"; from: string | Uint8Array }
  | { kind: "write"; memory: SharedArrayBuffer; target: PictureTarget }
  | { kind: "leave" };

export type FromWorker =
  | { kind: "found"; found: FoundPicture }
  | { kind: "done" }
  /** `what` follows the picture's name in a sentence. */
  | { kind: "failed"; what: string };
