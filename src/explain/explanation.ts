import type { ModelView } from "../fit.js";
import type { FrameTicket } from "../frame.js";
import type { Device } from "./engine-names.js";
import type { Part } from "./programs/density.js";

/** One entry of a classification. */
export interface ClassScore {
  index: number;
  label: string;
  probability: number;
}

/** Where relevance lies, in pixels of the model's input. */
export interface RelevanceRegion {
  x: number;
  y: number;
  width: number;
  height: number;
  /** Share of the smoothed |R|, 0..1. */
  share: number;
}

/** The relevance of one frame: shares are signed fractions of the decision, Σ|R| = 1. */
export interface Relevance {
  method: string;
  /** Sum of the positive shares, 0..1. */
  positive: number;
  /** Sum of the negative shares, −1..0. */
  negative: number;
  /** Share of |R| held by the most relevant 10 % of pixels. */
  concentration: number;
  /** Share of the smoothed |R| held by the most relevant half percent of pixels. */
  peakShare: number;
  /** Share of the smoothed |R| at the border of the model's input. */
  border: number;
  /** Share of the smoothed |R| in the part of interest; undefined where none was given. */
  inside: number | undefined;
  /** Share of the smoothed |R| within the mask, by cells of the map; undefined where none was given. */
  insideMask: number | undefined;
  /** Where the smoothed |R| lies: shares of 8 × 8 cells, row-major, which add up to 1. */
  density: number[];
  /** Centre of the smoothed |R|, in model-input pixels. */
  centroid: [x: number, y: number];
  /** Row-major signed shares. */
  grid: { rows: number; columns: number; values: number[] };
  /** At most 5, largest share first. */
  regions: RelevanceRegion[];
  /** Share per pixel that the ends of the 8-bit heatmap stand for. */
  scale: number;
  /** This frame's own robust percentile, from which the source's next `scale` is smoothed. */
  peak: number;
  /** 8 bit, `inputHeight * inputWidth`, row-major: 128 is zero, 255 is +scale, 1 is −scale. */
  heatmap: Uint8Array;
}

export interface Explanation {
  /** Most probable classes first. */
  top: ClassScore[];
  /** The class that is explained. */
  target: ClassScore & { logit: number };
  /** Null when the frame was only classified. */
  relevance: Relevance | null;
  /** What ran it, where that may be another from frame to frame. */
  engine?: string;
}

/** Where the picture that a model is to see lies: RGB, 3 bytes a pixel, of the model's input size. It is read, never written. */
export interface PictureRows {
  memory: SharedArrayBuffer;
  /** Bytes before its first row. */
  offset: number;
  /** Bytes from one row to the next. */
  stride: number;
}

/** One picture handed to an explainer. */
export interface ExplainInput extends PictureRows {
  /** Only classify: `relevance` is null. */
  classifyOnly: boolean;
  /** The part of the picture that a decision should rest on, as shares of its width and height. */
  interest?: Part;
  /** A byte a pixel of the model's input, row-major: 1 where the cause of the decision is known to lie. */
  mask?: Uint8Array;
  /** Heatmap scale to use; 0 takes the frame's own `peak`. */
  scale: number;
}

export interface ModelInfo extends ModelView {
  name: string;
  sha256: string;
  /** SHA-256 over the file and the weights that it keeps beside it, the labels and how pictures become input: two models of the same give the same answers. */
  identity?: string;
  labels: readonly string[];
  /** 3 for colour, 1 for greyscale. */
  channels: number;
}

/** A loaded, warm model; its work runs off the event loop. Several batches may be under way, each resolves when it is done. */
export interface Explainer {
  readonly model: ModelInfo;
  /** Which engine runs it, e.g. `onnxruntime-cpu`: another one once its device has failed and `auto` chose it. */
  readonly engine: string;
  /** What it was started on. */
  readonly device: Device;
  /** Why each better engine was not taken. */
  readonly skipped?: readonly string[];
  /** What went wrong while it was made ready and was mended, and options without effect, a sentence each. */
  readonly notes?: readonly string[];
  /** It has the smaller program for frames that are only classified; without it the whole one classifies them. */
  readonly hasClassifier: boolean;
  /** Results in the order of the inputs. Rejects when the batch as a whole failed. */
  explain(batch: readonly ExplainInput[]): Promise<Explanation[]>;
  /** As `explain`, but a frame that fails costs that frame: each of a batch that failed is tried alone. Never rejects. `tickets`: one an input. */
  explainEach(batch: readonly ExplainInput[], tickets?: readonly FrameTicket[]): Promise<(Explanation | Error)[]>;
  /** Why nothing more will be explained (a thread of the engine has died) or nothing is (it hangs); undefined while all is well. */
  readonly fault: string | undefined;
  close(): Promise<void>;
}
