import type { Device, Precision } from "../explain/engine-names.js";
import type { MethodName } from "../explain/method-names.js";
import type { Rect } from "../frame.js";
import type { EngineFigures } from "./engine.js";
import type { DecodeFigures } from "./frames.js";
import type { Machine } from "./machine.js";
import type { PipelineFigures } from "./pipeline.js";

/** What `bench --json` prints. */
export interface BenchReport {
  benchmark: "video-explainer";
  time: string;
  machine: Machine;
  model: { name: string; sha256: string; inputWidth: number; inputHeight: number };
  film: { name: string; region: Rect | null };
  /** What does not come with the defaults. */
  settings: {
    method: MethodName;
    engine: string;
    device: Device | "auto";
    threads: number;
    precision: Precision;
    maxBatch: number;
    seconds: number;
  };
  decode: DecodeFigures | null;
  pipeline: PipelineFigures | null;
  /** Where the pipeline published. */
  nats: { url: string; version: string; started: boolean } | { none: string } | null;
  engine: EngineFigures | null;
}
