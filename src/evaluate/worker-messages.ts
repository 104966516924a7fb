import type { PlainError } from "../errors.js";
import type { ModelInfo } from "../explain/explanation.js";
import type { GivenCard } from "../explain/model/infer.js";
import type { EvaluatedMethod } from "./methods.js";
import type { MetricName } from "./metrics/names.js";
import type { Pixels } from "./pixels.js";

/** What a thread is started with. */
export interface WorkerSettings {
  model: string;
  output?: string;
  given?: GivenCard;
  engine: string;
  seed: number;
  /** Points of a curve of insertion or deletion, the first not counted. */
  steps: number;
  metrics: readonly MetricName[];
}

/** An image with the classes of it that are explained. */
export interface Item {
  /** Its place among all images: what is random about it follows from that. */
  index: number;
  pixels: Pixels;
  targets: readonly number[];
  /** Is one of those that noise and JPEG are tried on. */
  isDisturbed: boolean;
}

export type Values = Partial<Record<MetricName, number>>;

/** Of one target of an image. */
export interface Measured {
  values: Values;
  /** Probabilities at the points of each curve, by metric. */
  curves: Partial<Record<MetricName, number[]>>;
  map?: Float32Array;
}

export type Task =
  | { kind: "classify"; items: readonly Item[] }
  | { kind: "measure"; method: EvaluatedMethod; items: readonly Item[]; keepMaps: boolean }
  | { kind: "randomise"; method: EvaluatedMethod; items: readonly Item[] }
  | { kind: "time"; method: EvaluatedMethod; items: readonly Item[] }
  | { kind: "draw"; method?: EvaluatedMethod; items: readonly Item[] };

export interface Answers {
  /** Top class of each item and the probability of each of its classes. */
  classify: { top: number; probabilities: Float32Array }[];
  /** By item and target; maps are kept where they were asked for. */
  measure: Measured[][];
  /** Rank correlation by stage of the cascade and item. */
  randomise: number[][];
  /** Milliseconds a frame. */
  time: { forwardMs: number; explainMs: number } | undefined;
  /** JPEG of each item's map, or of the item itself. */
  draw: Uint8Array[];
}

export type ToWorker = { kind: "task"; task: Task } | { kind: "close" };
/** The model is loaded and classifies. */
export interface Ready {
  kind: "ready";
  model: ModelInfo;
  notes: readonly string[];
  engine: string;
  /** Layers with random weights at each stage of a cascade. */
  stages: number[];
}
export type FromWorker =
  | Ready
  | { kind: "done"; answer: Answers[Task["kind"]] }
  | { kind: "failed"; error: PlainError };
