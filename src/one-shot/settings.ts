import { checked } from "../config/request.js";
import { type SourceConfig, sourceSchema } from "../config/schema.js";
import { InputError } from "../errors.js";
import type { Rect } from "../frame.js";
import type { Metrics } from "../metrics/metrics.js";
import type { OverlayRenderer } from "../overlay/overlay.js";
import type { PictureMemory } from "../pictures/memory.js";
import type { FrameSettings } from "../station/settings.js";
import type { Outputs } from "./inputs.js";
import { sourceName } from "./inputs.js";
import type { TopClassCounts } from "./top-class-counter.js";

/** What is the same for every file of one call. */
export interface BatchContext extends FrameSettings {
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
export interface FileResult extends Required<TopClassCounts> {
  /** What is missing from the results though they were written; one sentence each. */
  faults: Error[];
  /** Worth knowing; nothing is missing. */
  notes: string[];
}

/** Name of the station in the summaries of files. */
export const STATION = "explain";

/** A film as a source. */
export function filmSource(job: FileJob, { region, fps }: Pick<BatchContext, "region" | "fps">): SourceConfig {
  if (/\p{Cc}/u.test(job.path))
    throw new InputError(
      "film-name",
      `${job.shown} has a line end or another control character in its name; rename it`,
    );
  const [name, url] = [sourceName(job.path), job.path];
  return checked(sourceSchema, { name, url, policy: "every-frame", pace: "fast", region, fps }, job.shown);
}
