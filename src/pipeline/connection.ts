import type { Haste } from "../ffmpeg/gate.js";
import { ShortageError } from "../ffmpeg/shortage.js";
import type { FfmpegVersion } from "../ffmpeg/version.js";
import { DecoderSession, type SessionEnd, type SessionEvents } from "./decoder-session.js";
import type { FrameQueue } from "./frame-queue.js";
import type { DecodePlan } from "./plan.js";
import type { Planner } from "./planner.js";
import { Reshape } from "./reshape.js";
import type { SlabPool } from "./slabs.js";
import type { SourceSpec } from "./source-spec.js";
import type { SourceStateStore } from "./source-state.js";
import type { Limits, Timing } from "./timing.js";

export type RestartReason = "unreachable" | "exited" | "stalled";

/** How one connection came to its end. */
export interface Outcome {
  /** Null: as it should. */
  failure: RestartReason | null;
  reason: string | null;
  /** It will not be tried again. */
  over: boolean;
  /** Milliseconds from its first frame to its end. */
  livedMs: number;
}

/** It ended as it should, or was ended; there is a next one. */
export const again = (livedMs = 0): Outcome => ({ failure: null, reason: null, over: false, livedMs });

/** What the connections of one source have in common. */
export interface ConnectionContext {
  spec: SourceSpec;
  timing: Timing;
  limits: Limits;
  queue: FrameQueue;
  planner: Planner;
  board: SourceStateStore;
  /** Aborted once the source is to stop. */
  signal: AbortSignal;
  /** What was said of its pictures: each once. */
  notes: PictureNotes;
  onNote(note: string): void;
}

/** Different faults of pictures that are reported for one source. */
const MAX_REPORTED_FAULTS = 1000;

/** What of a source's pictures has been said or done before, in any of its connections. */
export class PictureNotes {
  readonly #unreadable = new Set<string>();
  /** Shape of picture that the last connection ended for. */
  begunFor: string | undefined;
  /** What was last said of a shape that could not be begun anew for: a film that loops shows it in each round. */
  #shape = "";

  /** Whether it is the first of its kind. */
  addFault(fault: string): boolean {
    if (this.#unreadable.has(fault) || this.#unreadable.size >= MAX_REPORTED_FAULTS) return false;
    this.#unreadable.add(fault);
    return true;
  }

  /** Whether it is another than the last. */
  addShape(text: string): boolean {
    const isNew = text !== this.#shape;
    this.#shape = text;
    return isNew;
  }
}

/** One connection of a source, from the start of its decoder to its end, and what that end means. */
export class Connection {
  readonly #session: DecoderSession;
  readonly #reshape: Reshape;
  #firstAt: number | undefined;
  /** Seconds without a frame, after which it was ended. */
  #silence: number | undefined;
  /** It is to begin anew, for this reason. */
  #anew: string | undefined;

  constructor(
    private readonly context: ConnectionContext,
    private readonly plan: DecodePlan,
    pool: SlabPool,
    version: FfmpegVersion,
    haste: Haste,
    private readonly onFirstFrame: () => void,
  ) {
    const { spec, timing, notes, onNote } = context;
    this.#reshape = new Reshape({
      ...{ plan, begunFor: notes.begunFor, reshapeMs: timing.reshapeMs },
      onNote: (text) => {
        if (notes.addShape(text)) onNote(text);
      },
      onAnew: (name) => {
        notes.begunFor = name;
        this.#beginAnew(`its picture is now ${name}; it begins anew`);
      },
    });
    this.#session = new DecoderSession(spec, plan, pool, version, timing, this.#events(), haste);
  }

  get pid(): number | undefined {
    return this.#session.pid;
  }
  get isHeld(): boolean {
    return this.#session.isHeld;
  }

  logLines(): string[] {
    return this.#session.logLines();
  }

  stop(): Promise<void> {
    return this.#session.stop();
  }

  async ended(): Promise<Outcome> {
    const { planner, signal } = this.context;
    const unwatch = planner.watch(() => this.#beginAnew("what it shows has changed; it begins anew"));
    if (signal.aborted) void this.stop();
    const end = await this.#session.ended();
    unwatch();
    this.#reshape.end();
    return this.#outcome(end);
  }

  #beginAnew(why: string): void {
    if (this.#anew === undefined) void this.stop();
    this.#anew ??= why;
  }

  #events(): SessionEvents {
    const { spec, limits, queue, planner, board, notes, onNote } = this.context;
    return {
      onFrame: (frame) => {
        if (this.#firstAt === undefined) {
          this.#firstAt = frame.receivedAt;
          this.onFirstFrame();
          queue.beginEpoch();
          planner.gaveFrames(this.plan);
        }
        board.lastFrameAt = Date.now();
        if (board.state !== "frozen") board.set("live", null);
        queue.push(frame);
      },
      onLost: () => queue.lose("queue-full"),
      onUnreadable: (why) => {
        queue.lose("decode-error");
        if (notes.addFault(why)) onNote(spec.mask(`${why}; it is left out`));
      },
      onNoSlab: () => queue.makeRoom(),
      onStall: (seconds) => {
        board.set("stalled", silent(seconds));
        // To begin a film again would show its frames twice; it may still go on.
        if (this.plan.finite || this.#silence !== undefined) return;
        this.#silence = seconds;
        void this.stop();
      },
      onFrozen: (frozen) => {
        if (frozen) board.set("frozen", `the picture has not changed for ${limits.frozenMs / 1000} s`);
        else if (board.state === "frozen") board.set("live", null);
      },
      onShape: (shape) => this.#reshape.look(shape),
    };
  }

  #outcome(end: SessionEnd): Outcome {
    const { plan } = this;
    const { spec, queue, planner, board, signal, onNote } = this.context;
    const silence = this.#silence;
    if (this.#anew !== undefined) {
      onNote(this.#anew);
      if (!plan.finite) board.set("connecting", "its picture has taken another shape; it begins anew");
      return again();
    }
    if (end.cutOff && !signal.aborted) queue.lose("decode-error");
    const livedMs = this.#firstAt === undefined ? 0 : performance.now() - this.#firstAt;
    const gaveNothing = end.frames === 0 && !end.error && !signal.aborted;
    if (plan.hardware && spec.config.hardware === "auto" && gaveNothing) {
      planner.withoutHardware();
      const detail = end.complaints ? ` (${end.complaints})` : "";
      onNote(`no frame came of ${plan.hardware}${detail}; decoded in software from now on`);
      if (silence === undefined) return again(livedMs);
    }
    if (plan.againSeconds !== undefined && end.frames === 1 && end.code === 0) {
      planner.isSnapshot();
      return again(livedMs);
    }
    const over = plan.finite && !spec.config.loop;
    if (silence !== undefined) return { failure: "stalled", reason: silent(silence), over, livedMs };
    const failed = end.error !== undefined || end.code !== 0 || end.frames === 0 || !plan.finite;
    return {
      failure: failed ? "exited" : null,
      reason: spec.mask(describeEnd(end, failed) ?? "") || null,
      over: over && !(end.error instanceof ShortageError),
      livedMs,
    };
  }
}

const silent = (seconds: number): string => `no frame came for ${seconds} s`;

function describeEnd(end: SessionEnd, failed: boolean): string | null {
  if (end.error) return end.error.message;
  const after = end.frames === 1 ? "after 1 frame" : `after ${end.frames} frames`;
  const detail = end.complaints ? `: ${end.complaints}` : "";
  if (!failed && end.unreadable > 0) {
    const left = end.unreadable === 1 ? "1 picture was" : `${end.unreadable} pictures were`;
    return `it ended ${after}, and ${left} left out${detail}`;
  }
  if (!failed) return end.damage ? `it ended ${after}, and ffmpeg reported: ${end.damage}` : null;
  if (end.signal) return `ffmpeg was ended by ${end.signal} ${after}${detail}`;
  if (end.code) return `ffmpeg gave up with code ${end.code} ${after}${detail}`;
  return end.frames === 0 ? `no frame could be decoded${detail}` : `the stream ended ${after}${detail}`;
}
