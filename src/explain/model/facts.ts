import type { CropRounding, Fit, Interpolation } from "../../fit.js";

export interface Size {
  width: number;
  height: number;
}

/** What is known of how pictures become a model's input; `mean` and `std` in units of 0..255 pixels. */
export interface InputFacts {
  width?: number;
  height?: number;
  channels?: number;
  mean?: readonly number[];
  std?: readonly number[];
  channelOrder?: "RGB" | "BGR";
  layout?: "NCHW" | "NHWC";
  fit?: Fit;
  resize?: Size;
  cropRounding?: CropRounding;
  interpolation?: Interpolation;
  antialias?: boolean;
  fill?: readonly number[];
}

/** The user's words of the command line, as messages name them. */
export const COMMAND_LINE = "the command line";

/** What one place says of a model. */
export interface Facts {
  labels?: readonly string[];
  input?: InputFacts;
  /** What a reader should know of how it was read, each as a sentence goes on after the name of its file. */
  notes?: readonly string[];
}

/** A place that says something of a model: a file beside it, or the model file itself. */
export interface Origin {
  /** As messages name it. */
  from: string;
  /** Of a model that takes pictures of this size; undefined where the model leaves that open. */
  facts(size: Size | undefined): Facts;
}
