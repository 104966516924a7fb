import type { Config, NatsSinkConfig } from "../config/schema.js";
import type { FrameOutcome, MessageKind } from "../messages/message.js";
import type { ChoiceReason } from "../messages/summary.js";

export interface SinkStatus {
  connected: boolean;
  /** Why not, in one sentence, credentials masked. */
  reason?: string;
  buffered: number;
  published: number;
  errors: number;
  dropped: number;
}

/** What is known of a frame when its pictures are about to be drawn. */
export interface UpcomingFrame {
  sequence: number;
  /** Of the class that is explained. */
  label: string;
  /** False: it was only classified. */
  explained: boolean;
  /** Why it was chosen to be explained, where it was. */
  why?: readonly ChoiceReason[];
}

/** What a sink reports as it goes; the worker turns it into metrics. */
export interface SinkEvents {
  onPublished(kind: MessageKind): void;
  onError(error: Error): void;
  onDropped(kind: MessageKind, reason: string): void;
  onConnected(connected: boolean, reason?: string): void;
  /** The stream of a source was begun again after a fault. */
  onRestarted?(): void;
  /** It is over with this sink: what it is given from now on is dropped. `reason`: a clause without its end. */
  onGone?(reason: string): void;
}

/**
 * A sink: construct without I/O, `connect` starts it and returns at once when the far end is away (it keeps trying),
 * `write` resolves when the messages are accepted (buffered or delivered), `close` flushes within the deadline.
 */
export interface Sink {
  /** Of its own among the sinks of a worker: in metrics, readiness and log lines. */
  readonly name: string;
  /** Kinds that this sink takes; images nobody takes are not encoded. */
  readonly kinds: ReadonlySet<MessageKind>;
  /** It calls `onSettled` of every message that it took. Of other sinks, what `write` took counts as published. */
  readonly settles?: boolean;
  /** Whether this sink has use for an overlay of this frame. Not there: for each one, if it takes overlays. */
  wantsOverlay?(source: string, frame: UpcomingFrame): boolean;
  /** True while this sink has use for the original picture (a viewer with somebody looking). */
  wantsOriginal?(source: string, frame: UpcomingFrame): boolean;
  /** Overlays are drawn so from now on. */
  restyle?(style: Config["overlay"]): void;
  /** The source was removed for good: nothing more will come of it. */
  forget?(source: string): void;
  connect(): Promise<void>;
  write(outcome: FrameOutcome): Promise<void>;
  /** Resolves when nothing that it took waits to be published any more. Not there: what `write` took is published. */
  flushed?(): Promise<void>;
  /** Proves the far end answers now (a NATS round trip); of sinks that are not asked, whether the last write succeeded. */
  verify(timeoutMs: number): Promise<boolean>;
  status(): SinkStatus;
  /** Flushes what is buffered; rejects with a sentence when `deadlineMs` passes first and something was lost. */
  close(deadlineMs: number): Promise<void>;
}

/** The part of a logger that sinks use; `fields` are merged into the log line. */
export interface SinkLog {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** What a sink is given besides its own configuration. */
export interface SinkContext {
  station: string;
  events: SinkEvents;
  log: SinkLog;
  /** Folder that relative paths of the configuration start from. */
  baseDir: string;
  /** Where the live page finds what earlier runs published, and the sources that it shows of it. */
  past?: { nats: NatsSinkConfig; sources: readonly string[] };
}
