import type { PlainError } from "../../errors.js";
import type { Ignored } from "../engines/engine.js";
import type { ExplainInput, Explanation, ModelInfo } from "../explanation.js";
import type { SharedModels } from "./explainer-options.js";

/** A thread's model is warm. */
export interface ReadyMessage {
  kind: "ready";
  model: ModelInfo;
  engine: string;
  /** Why each better engine was not taken. */
  skipped: readonly string[];
  ignores: readonly Ignored[];
  /** What went wrong on the way and was mended. */
  notes: readonly string[];
}

/** The device has failed. `engine`: what explains instead; without one nothing is explained any more. */
export interface LostMessage {
  kind: "lost";
  sentence: string;
  engine?: string;
}

/** What a thread sends: `compiled` and, once warm, `ready`, then one answer a batch, which took `seconds`. `failed` without an id is its end. */
export type ThreadMessage =
  | { kind: "compiled"; shared: SharedModels }
  | ReadyMessage
  | LostMessage
  | { kind: "result"; id: number; explanations: Explanation[]; seconds: number }
  | { kind: "failed"; id: number; error: PlainError; seconds: number }
  | { kind: "failed"; id?: undefined; error: PlainError };

/** What a thread is asked. */
export type ThreadRequest = { kind: "batch"; id: number; batch: readonly ExplainInput[] } | { kind: "close" };
