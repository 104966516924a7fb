import { checked } from "../config/request.js";
import { type Config, configSchema } from "../config/schema.js";
import { InputError } from "../errors.js";
import type { Explainer } from "../explain/explanation.js";
import type { Rect } from "../frame.js";
import type { Metrics } from "../metrics/metrics.js";
import type { OverlayRenderer } from "../overlay/overlay.js";
import type { PictureMemory } from "../pictures/memory.js";
import type { Outputs } from "./inputs.js";
import { sourceName } from "./inputs.js";

/** What is the same for every file of one call. */
export interface BatchContext {
  /** `explain`, `overlay`, `engine` and `model` as in a configuration; its sources and sinks are of no meaning. */
  config: Config;
  explainer: Explainer;
  renderer: OverlayRenderer;
  metrics: Metrics;
  /** For its pictures. */
  memory: PictureMemory;
  region?: Rect;
  /** Frames a second of films, at most. */
  fps?: number;
}

/** One file to explain. */
export interface FileJob {
  path: string;
  /** How sentences name it. */
  shown: string;
  picture: boolean;
  outputs: Outputs;
}

/** What came of a file. */
export interface FileResult {
  frames: number;
  explained: number;
  /** The class that was the top one in most frames, and in how many. */
  top: { label: string; frames: number };
  /** Probability of the top class of the last frame. */
  probability: number;
  /** What is missing from the results though they were written; one sentence each. */
  faults: Error[];
  /** Worth knowing; nothing is missing. */
  notes: string[];
}

/** Name of the station in the summaries of files. */
export const STATION = "explain";

/** A configuration whose one source is a film. */
export function filmConfig(config: Config, job: FileJob, limits: Pick<BatchContext, "region" | "fps">): Config {
  if (/\p{Cc}/u.test(job.path))
    throw new InputError(
      "film-name",
      `${job.shown} has a line end or another control character in its name; rename it`,
    );
  const source = { name: sourceName(job.path), url: job.path, policy: "every-frame", pace: "fast", ...limits };
  const { element } = configSchema.shape.sources;
  return { ...config, station: STATION, sources: [checked(element, source, job.shown)] };
}
