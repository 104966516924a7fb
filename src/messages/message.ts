import type { Placement } from "../frame.js";
import type { SourceStatus, Summary } from "./summary.js";

export const MESSAGE_KINDS = ["summary", "overlay", "heatmap", "original", "status"] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];

/** One thing to publish, the same for every sink. */
export interface OutMessage {
  kind: MessageKind;
  station: string;
  source: string;
  epoch: number;
  sequence: number;
  /** `{station}-{source}-{epoch}-{sequence}-{kind}`, unique across restarts: see docs/topics.md, "Exactly once". */
  id: string;
  /** ISO 8601 capture time of the frame (or the time of a status). */
  time: string;
  contentType: "application/json" | "image/jpeg" | "image/png";
  /** Schema name, e.g. `explanation-summary/1`. */
  schema: string;
  body: Uint8Array;
  /** More headers, e.g. `Relevance-Scale`. */
  headers?: Record<string, string>;
  /** `wait`: the writer waits for room, nothing is lost (file sources). `drop`: when full the oldest is dropped and counted. */
  whenFull: "wait" | "drop";
  /** To be called once by a sink that `settles`, for each message it took: true when published, false when dropped. */
  onSettled?(published: boolean): void;
}

/** A frame that went all the way, for sinks that want more than messages (the viewer). */
export interface FrameOutcome {
  source: string;
  /** Absent when only the state of the source is published. */
  summary?: Summary;
  /** What the status message among the messages says. */
  status?: SourceStatus;
  messages: OutMessage[];
  /** JPEG of the frame as decoded; only when a sink takes it, or its `wantsOriginal()` said so. */
  original?: Uint8Array;
  /** Where the model's input, and so the heatmap, lies on the frame. */
  placement?: Placement;
}
