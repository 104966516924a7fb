import type { Placement } from "../frame.js";

export type MessageKind = "summary" | "overlay" | "heatmap" | "status";

/** One thing to publish, the same for every sink. */
export interface OutMessage {
  kind: MessageKind;
  station: string;
  source: string;
  epoch: number;
  sequence: number;
  /** `{station}-{source}-{epoch}-{sequence}-{kind}`, unique across restarts: see `Nats-Msg-Id` in the design. */
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
  summary: unknown;
  messages: OutMessage[];
  /** JPEG of the frame as decoded; only when some sink's `wantsOriginal()` said so. */
  original?: Uint8Array;
  /** Where the model's input, and so the heatmap, lies on the frame. */
  placement?: Placement;
}

export interface SinkStatus {
  connected: boolean;
  /** Why not, in one sentence, credentials masked. */
  reason?: string;
  buffered: number;
  published: number;
  errors: number;
  dropped: number;
}

/** What a sink reports as it goes; the worker turns it into metrics. */
export interface SinkEvents {
  onPublished(kind: MessageKind): void;
  onError(error: Error): void;
  onDropped(kind: MessageKind, reason: string): void;
  onConnected(connected: boolean, reason?: string): void;
  /** It is over with this sink: what it is given from now on is dropped. `reason`: a clause without its end. */
  onGone?(reason: string): void;
}

/**
 * A sink: construct without I/O, `connect` starts it and returns at once when the far end is away (it keeps trying),
 * `write` resolves when the messages are accepted (buffered or delivered), `close` flushes within the deadline.
 */
export interface Sink {
  readonly name: string;
  /** Kinds that this sink takes; images nobody takes are not encoded. */
  readonly kinds: ReadonlySet<MessageKind>;
  /** It calls `onSettled` of every message that it took. Of other sinks, what `write` took counts as published. */
  readonly settles?: boolean;
  /** True while this sink has use for the original picture (a viewer with somebody looking). */
  wantsOriginal?(source: string): boolean;
  /** The source was removed for good: nothing more will come of it. */
  forget?(source: string): void;
  connect(): Promise<void>;
  write(outcome: FrameOutcome): Promise<void>;
  /** Proves the far end answers now (a NATS round trip); of sinks that are not asked, whether the last write succeeded. */
  verify(timeoutMs: number): Promise<boolean>;
  status(): SinkStatus;
  /** Flushes what is buffered; rejects with a sentence when `deadlineMs` passes first and something was lost. */
  close(deadlineMs: number): Promise<void>;
}
