import type { GivenCard } from "../explain/model/infer.js";
import type { ImageFolder } from "./images.js";
import type { EvaluatedMethod } from "./methods.js";
import type { MetricName } from "./metrics/names.js";

export interface EvaluateOptions {
  model: string;
  output?: string;
  /** Of its input, before what its card says. */
  given?: GivenCard;
  engine: string;
  /** 0: one a core, four at most. */
  threads: number;
  folders: readonly ImageFolder[];
  /** A file of labels, or `none`. */
  labels?: string;
  /** Only images of these. */
  classes?: readonly string[];
  /** Images of which k classes are given and not the k most probable ones are left out. */
  onlyRight?: boolean;
  methods: readonly EvaluatedMethod[];
  metrics: readonly MetricName[];
  /** Images of one class, and of several, at most. */
  limit?: number;
  seed: number;
  /** Points of a curve. */
  steps: number;
  /** Whether pictures for a report are drawn. */
  draws: boolean;
}

export interface EvaluateHooks {
  stop: AbortSignal;
  /** Images times methods. */
  progress: { start(name: string, total: number): void; at(done: number): void };
  /** Each map, `[height, width]` of the model's input, where it is given. */
  onMap?(map: Float32Array, of: MapOf): Promise<void>;
}

export interface MapOf {
  method: string;
  /** For its file: another one for each map of a method. */
  name: string;
  width: number;
  height: number;
}
