import { setTimeout as sleep } from "node:timers/promises";
import type { Observable } from "rxjs";
import type { SourceConfig } from "../config/schema.js";
import { inContext, reasonOf, VideoExplainerError } from "../errors.js";
import type { Haste } from "../ffmpeg/gate.js";
import { ShortageError } from "../ffmpeg/shortage.js";
import { ffmpegVersion } from "../ffmpeg/version.js";
import type { ModelView } from "../fit.js";
import { type Frame, type FrameLayout, frameBytes } from "../frame.js";
import type { DropReason } from "../messages/ledger.js";
import { connecting, PLACE_MS } from "./connecting.js";
import {
  again,
  Connection,
  type ConnectionContext,
  type Outcome,
  PictureNotes,
  type RestartReason,
} from "./connection.js";
import { type Claim, claimOf } from "./frame-budget.js";
import { FrameQueue } from "./frame-queue.js";
import type { Ledger } from "./ledger.js";
import { Planner } from "./planner.js";
import { SlabPool } from "./slabs.js";
import { type SourceSpec, sourceSpec } from "./source-spec.js";
import { type SourceState, SourceStateStore } from "./source-state.js";
import { limitsOf, TIMING, type Timing } from "./timing.js";

/** A camera that gave frames is likely to come back: so often it is tried before those that have long been dead. */
const EAGER_TRIES = 5;
const SLABS = 12;
/** Of large pictures fewer, as many as this holds, but never less than three. */
const SLAB_BYTES = 2 ** 30;

/** How many frames of this layout a source has in memory at most: `most`, of large ones fewer. */
export const slabsOf = (layout: FrameLayout, most = SLABS): number =>
  Math.max(3, Math.min(most, Math.floor(SLAB_BYTES / frameBytes(layout))));

export interface SourceOptions extends ModelView {
  /** Folder that relative paths start from. */
  baseDir: string;
  /** Frames at most in memory: queued, being filled, and taken but not yet released. Default 12, of large ones 1 GiB. */
  slabs?: number;
  timing?: Partial<Timing>;
  /** Asked before each connection; rejects with why there must be none. */
  admit?(): Promise<void>;
  /** Told before frames are decoded what they will take; throws where there is no room for them. */
  onClaim?(claim: Claim): void;
  onRestart?(source: string, reason: RestartReason): void;
  /** Something that is no fault, yet worth a line in the log. */
  onNote?(source: string, note: string): void;
}

/** A supervised source: connected again when it fails, its frames in a queue to be taken from. */
export interface VideoSource {
  readonly name: string;
  readonly policy: Frame["policy"];
  readonly ledger: Ledger;
  /** Frames that can be taken now. */
  readonly queued: number;
  /** No further frame can come before one is released. */
  readonly isFull: boolean;
  /** Over for good, and every frame taken. */
  readonly isFinished: boolean;
  /** Layout of its latest connection's frames. */
  readonly layout: FrameLayout | undefined;
  /** Process that decodes it now. */
  readonly pid: number | undefined;
  /** Says that a frame was queued; completes when no more will come. */
  readonly available$: Observable<void>;
  /** The present state, then each change of state or reason. */
  readonly status$: Observable<SourceState>;
  status(): SourceState;
  /** The oldest queued frame, which is the taker's to release. */
  take(): Frame | undefined;
  /** Ends ffmpeg. Queued frames of an `every-frame` source can still be taken; of a live one they count as `shutdown`. */
  stop(): Promise<void>;
  /** Lets everything queued go, under this reason. */
  discard(reason: DropReason): void;
}

/**
 * Opens a source and returns at once; that it cannot be reached shows in its status. Throws an `InputError` for an
 * address of no known kind.
 */
export function openSource(config: SourceConfig, options: SourceOptions, ledger: Ledger): VideoSource {
  return new SupervisedSource(sourceSpec(config, options.baseDir), options, ledger);
}

/** It was stopped before it was connected. */
const STOPPED: Outcome = { failure: null, reason: null, over: true, livedMs: 0 };

/** Connects a source again and again: what its connections give goes into its queue, what becomes of them into its state. */
class SupervisedSource implements VideoSource {
  readonly name: string;
  readonly policy: Frame["policy"];
  readonly available$: Observable<void>;
  readonly #context: ConnectionContext;
  readonly #abort = new AbortController();
  readonly #supervision: Promise<void>;
  #pool: SlabPool | undefined;
  #current: Connection | undefined;
  /** ffmpeg's, or ours, of the last connection. */
  #lastLines: string[] = [];
  #done = false;
  #leavePlace: () => void = () => {};

  constructor(
    private readonly spec: SourceSpec,
    private readonly options: SourceOptions,
    readonly ledger: Ledger,
  ) {
    this.name = spec.config.name;
    this.policy = spec.policy;
    const timing = { ...TIMING, ...options.timing };
    const limits = limitsOf(spec.config.stallSeconds, timing);
    const onNote = (note: string): void => options.onNote?.(this.name, note);
    this.#context = {
      ...{ spec, timing, limits, onNote },
      queue: new FrameQueue(spec.policy, ledger),
      planner: new Planner(spec, { view: options, probeMs: limits.probeMs, loopMs: timing.loopMs, onNote }),
      board: new SourceStateStore(() => this.#current?.logLines() ?? this.#lastLines),
      signal: this.#abort.signal,
      notes: new PictureNotes(),
    };
    this.available$ = this.#context.queue.available$;
    this.#supervision = this.#supervise();
  }

  get queued(): number {
    return this.#context.queue.length;
  }
  get isFull(): boolean {
    return this.#current?.isHeld ?? false;
  }
  get isFinished(): boolean {
    return this.#done && this.queued === 0;
  }
  get layout(): FrameLayout | undefined {
    return this.#context.planner.latest?.layout;
  }
  get pid(): number | undefined {
    return this.#current?.pid;
  }
  get status$(): Observable<SourceState> {
    return this.#context.board.changes$;
  }

  status(): SourceState {
    return this.#context.board.now();
  }

  take(): Frame | undefined {
    return this.#context.queue.take();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#current?.stop();
    await this.#supervision;
    if (this.policy === "latest") this.discard("shutdown");
  }

  discard(reason: DropReason): void {
    this.#context.queue.discard(reason);
  }

  async #supervise(): Promise<void> {
    const { signal, board, planner, queue, timing } = this.#context;
    let attempt = 0;
    while (!signal.aborted) {
      const startedAt = performance.now();
      const outcome = await this.#connectInTurn(attempt <= (planner.hasShown ? EAGER_TRIES : 0) ? "eager" : "patient");
      if (signal.aborted) break;
      if (outcome.over) {
        board.set(outcome.failure ? "failed" : "ended", outcome.reason);
        break;
      }
      if (!outcome.failure) {
        attempt = 0;
        const againMs = 1000 * (planner.latest?.againSeconds ?? 0);
        await pause(startedAt + Math.max(timing.loopMs, againMs) - performance.now(), signal);
        continue;
      }
      if (outcome.livedMs >= timing.settledMs) attempt = 0;
      const delay = timing.delay(attempt++);
      board.set(outcome.failure === "stalled" ? "stalled" : "failed", outcome.reason);
      await pause(delay, signal);
      if (signal.aborted) break;
      board.restarts++;
      this.options.onRestart?.(this.name, outcome.failure);
      board.set("connecting", outcome.reason);
    }
    if (signal.aborted) board.set("ended", "it was stopped");
    this.#done = true;
    // Frames that are out keep their own memory; the rest is given back.
    this.#pool = undefined;
    board.complete();
    queue.complete();
  }

  /** Tries to connect once a place for that is free, which it holds until its first frame. What is on this machine does not wait. */
  async #connectInTurn(haste: Haste): Promise<Outcome> {
    const { isLive, size } = this.spec.kind;
    if (!isLive || size) return this.#connect(haste);
    try {
      this.#leavePlace = await connecting.enter(haste, this.#abort.signal);
    } catch {
      return STOPPED;
    }
    const late = setTimeout(this.#leavePlace, PLACE_MS);
    try {
      return await this.#connect(haste);
    } finally {
      clearTimeout(late);
      this.#leavePlace();
    }
  }

  async #connect(haste: Haste): Promise<Outcome> {
    const { spec, options } = this;
    const { planner, signal } = this.#context;
    try {
      const version = await ffmpegVersion();
      await options.admit?.();
      const plan = await planner.next(version, haste, signal);
      if (signal.aborted) return STOPPED;
      const pool = this.#poolFor(plan.layout);
      this.#current = new Connection(this.#context, plan, pool, version, haste, () => this.#leavePlace());
      const outcome = await this.#current.ended();
      this.#lastLines = this.#current.logLines();
      return outcome;
    } catch (error) {
      // Its source is named beside it already.
      const bare = error instanceof VideoExplainerError ? inContext(error, { source: undefined }) : error;
      const reason = spec.mask(reasonOf(bare));
      this.#lastLines = [reason];
      return { ...again(), failure: "unreachable", reason, over: this.#isOverAfter(error) };
    } finally {
      this.#current = undefined;
    }
  }

  /** Memory for the frames of this layout; that of the last connection where it fits. */
  #poolFor(layout: FrameLayout): SlabPool {
    const bytes = frameBytes(layout);
    const slabs = slabsOf(layout, this.options.slabs);
    this.options.onClaim?.(claimOf(layout, slabs, this.spec.config.fps));
    if (this.#pool?.bytes !== bytes) this.#pool = new SlabPool(bytes, slabs);
    return this.#pool;
  }

  /** Whether a failure is for good: a film is not tried again, unless it was the system that had no room for it. */
  #isOverAfter(error: unknown): boolean {
    return !this.spec.kind.isLive && !this.spec.config.loop && !(error instanceof ShortageError);
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds <= 0 || signal.aborted) return;
  await sleep(milliseconds, undefined, { signal }).catch((error: Error) => {
    if (error.name !== "AbortError") throw error;
  });
}
