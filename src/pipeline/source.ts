import { setTimeout as sleep } from "node:timers/promises";
import { type Observable, Subject } from "rxjs";
import type { SourceConfig } from "../config/schema.js";
import { inContext, reasonOf, VideoExplainerError } from "../errors.js";
import type { Haste } from "../ffmpeg/gate.js";
import { type AutoHardware, autoHardware, checkHardware } from "../ffmpeg/hardware.js";
import { ShortageError } from "../ffmpeg/shortage.js";
import { ffmpegVersion } from "../ffmpeg/version.js";
import { type Frame, type FrameLayout, frameBytes, type ModelView } from "../frame.js";
import type { DropReason } from "../messages/ledger.js";
import { connecting, PLACE_MS } from "./connecting.js";
import { DecoderSession, type SessionEnd, type SessionEvents } from "./decoder-session.js";
import { type Claim, claimOf } from "./frame-budget.js";
import type { Ledger } from "./ledger.js";
import { type DecodePlan, planDecoding } from "./plan.js";
import { Reshape } from "./reshape.js";
import { SlabPool } from "./slabs.js";
import { type SourceSpec, sourceSpec } from "./source-spec.js";
import { type SourceState, SourceStateStore } from "./source-state.js";
import { type Limits, limitsOf, TIMING, type Timing } from "./timing.js";

/** Frames that a live source keeps until they are taken. */
const LIVE_QUEUE = 2;
/** A camera that gave frames is likely to come back: so often it is tried before those that have long been dead. */
const EAGER_TRIES = 5;
const SLABS = 12;
/** Of large pictures fewer, as many as this holds, but never less than three. */
const SLAB_BYTES = 2 ** 30;
/** Different faults of pictures that are reported for one source. */
const MAX_REPORTED_FAULTS = 1000;

/** How many frames of this layout a source has in memory at most, unless its options say. */
export const slabsOf = (layout: FrameLayout): number =>
  Math.max(3, Math.min(SLABS, Math.floor(SLAB_BYTES / frameBytes(layout))));

export type RestartReason = "unreachable" | "exited" | "stalled";

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

/** The choice of `hardware: auto` is logged once, not by every source. */
const announced = new WeakSet<AutoHardware>();

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

/** How one connection came to its end. */
interface Outcome {
  /** Null: as it should. */
  failure: RestartReason | null;
  reason: string | null;
  /** It will not be tried again. */
  over: boolean;
  /** Milliseconds from its first frame to its end. */
  livedMs: number;
}

class SupervisedSource implements VideoSource {
  readonly name: string;
  readonly policy: Frame["policy"];
  readonly #timing: Timing;
  readonly #limits: Limits;
  readonly #board: SourceStateStore;
  readonly #available = new Subject<void>();
  readonly available$ = this.#available.asObservable();
  readonly #abort = new AbortController();
  readonly #queue: Frame[] = [];
  readonly #supervision: Promise<void>;
  #pool: SlabPool | undefined;
  #plan: DecodePlan | undefined;
  /** Of what the plan was made. */
  #revision = "";
  /** Plan of the last connection that gave frames. */
  #shown: DecodePlan | undefined;
  #current: DecoderSession | undefined;
  #lastLines: string[] = [];
  /** Pictures that could not be decoded, each reported once. */
  readonly #unreadable = new Set<string>();
  #epoch = -1;
  #sequence = 0;
  /** It is one picture, to be asked for again and again. */
  #snapshot = false;
  /** Hardware gave no frame: `auto` does without it. */
  #software = false;
  /** Shape of picture that the last connection ended for. */
  #begunFor: string | undefined;
  /** What was last said of a shape that could not be begun anew for: a film that loops shows it in each round. */
  #noted = "";
  #done = false;
  #leavePlace: () => void = () => {};

  constructor(
    private readonly spec: SourceSpec,
    private readonly options: SourceOptions,
    readonly ledger: Ledger,
  ) {
    this.name = spec.config.name;
    this.policy = spec.policy;
    this.#timing = { ...TIMING, ...options.timing };
    this.#limits = limitsOf(spec.config.stallSeconds, this.#timing);
    this.#board = new SourceStateStore(() => this.#current?.logLines() ?? this.#lastLines);
    this.#supervision = this.#supervise();
  }

  get queued(): number {
    return this.#queue.length;
  }
  get isFull(): boolean {
    return this.#current?.isHeld ?? false;
  }
  get isFinished(): boolean {
    return this.#done && this.#queue.length === 0;
  }
  get layout(): FrameLayout | undefined {
    return this.#plan?.layout;
  }
  get pid(): number | undefined {
    return this.#current?.pid;
  }
  get status$(): Observable<SourceState> {
    return this.#board.changes$;
  }

  status(): SourceState {
    return this.#board.now();
  }

  take(): Frame | undefined {
    return this.#queue.shift();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#current?.stop();
    await this.#supervision;
    if (this.policy === "latest") this.discard("shutdown");
  }

  discard(reason: DropReason): void {
    while (this.#queue.length > 0) this.#dropOldest(reason);
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#abort;
    let attempt = 0;
    while (!signal.aborted) {
      const startedAt = performance.now();
      const outcome = await this.#connectInTurn(attempt <= (this.#shown ? EAGER_TRIES : 0) ? "eager" : "patient");
      if (signal.aborted) break;
      if (outcome.over) {
        this.#board.set(outcome.failure ? "failed" : "ended", outcome.reason);
        break;
      }
      if (!outcome.failure) {
        attempt = 0;
        const againMs = 1000 * (this.#plan?.againSeconds ?? 0);
        await pause(startedAt + Math.max(this.#timing.loopMs, againMs) - performance.now(), signal);
        continue;
      }
      if (outcome.livedMs >= this.#timing.settledMs) attempt = 0;
      const delay = this.#timing.delay(attempt++);
      this.#board.set(outcome.failure === "stalled" ? "stalled" : "failed", outcome.reason);
      await pause(delay, signal);
      if (signal.aborted) break;
      this.#board.restarts++;
      this.options.onRestart?.(this.name, outcome.failure);
      this.#board.set("connecting", outcome.reason);
    }
    if (signal.aborted) this.#board.set("ended", "it was stopped");
    this.#done = true;
    // Frames that are out keep their own memory; the rest is given back.
    this.#pool = undefined;
    this.#board.complete();
    this.#available.complete();
  }

  /** Tries to connect once a place for that is free, which it holds until its first frame. What is on this machine does not wait. */
  async #connectInTurn(haste: Haste): Promise<Outcome> {
    const { signal } = this.#abort;
    const { isLive, size } = this.spec.kind;
    if (!isLive || size) return this.#connect(haste);
    try {
      this.#leavePlace = await connecting.enter(haste, signal);
    } catch {
      // It was stopped while it waited.
      return { failure: null, reason: null, over: true, livedMs: 0 };
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
    const { signal } = this.#abort;
    try {
      const version = await ffmpegVersion();
      await options.admit?.();
      const revision = await this.#revisionNow();
      const changed = revision !== this.#revision;
      if (!this.#plan || spec.kind.isLive || changed || (this.#plan.hardware && this.#software)) {
        const hardware = await this.#hardware();
        const shown = this.#shown;
        const timeoutMs = this.#limits.probeMs;
        const snapshot = this.#snapshot;
        const asked = { timeoutMs, haste, signal, hardware, shown, snapshot };
        this.#plan = await planDecoding(spec, options, version, asked);
        this.#revision = revision;
      }
      if (signal.aborted) return { failure: null, reason: null, over: true, livedMs: 0 };
      const bytes = frameBytes(this.#plan.layout);
      const slabs = Math.max(3, options.slabs ?? slabsOf(this.#plan.layout));
      options.onClaim?.(claimOf(this.#plan.layout, slabs, spec.config.fps));
      if (this.#pool?.bytes !== bytes) this.#pool = new SlabPool(bytes, slabs);
      return await this.#decode(this.#plan, this.#pool, version, haste);
    } catch (error) {
      // Its source is named beside it already.
      const bare = error instanceof VideoExplainerError ? inContext(error, { source: undefined }) : error;
      const reason = spec.mask(reasonOf(bare));
      this.#lastLines = [reason];
      return { failure: "unreachable", reason, over: this.#isOverAfter(error), livedMs: 0 };
    }
  }

  /** Whether a failure is for good: a film is not tried again, unless it was the system that had no room for it. */
  #isOverAfter(error: unknown): boolean {
    return !this.spec.kind.isLive && !this.spec.config.loop && !(error instanceof ShortageError);
  }

  /** Empty where it cannot change, or cannot be read. */
  async #revisionNow(): Promise<string> {
    const { config, kind, baseDir } = this.spec;
    if (!config.loop || kind.isLive) return "";
    try {
      return (await kind.revision?.(config, baseDir)) ?? "";
    } catch {
      return "";
    }
  }

  /** Calls once what it plays in rounds has changed and stays so, which a film that is being written does not. */
  #watchForChange(onChange: () => void): () => void {
    if (this.#revision === "") return () => {};
    let before = this.#revision;
    let looking = false;
    const look = async (): Promise<void> => {
      if (looking) return;
      looking = true;
      const now = await this.#revisionNow();
      looking = false;
      if (now !== "" && now !== this.#revision && now === before) onChange();
      before = now;
    };
    const timer = setInterval(look, this.#timing.loopMs);
    return () => clearInterval(timer);
  }

  /** Undefined: software. Of the test picture nothing is decoded, and pictures not by ffmpeg. */
  async #hardware(): Promise<string | undefined> {
    const { config, kind, about } = this.spec;
    const { onNote } = this.options;
    if (config.hardware === "none" || this.#software || kind.size || kind.stills) return undefined;
    if (config.hardware !== "auto") {
      await checkHardware(config.hardware, about);
      return config.hardware;
    }
    const auto = await autoHardware();
    if (onNote && !announced.has(auto)) {
      announced.add(auto);
      onNote(this.name, auto.note);
    }
    return auto.name;
  }

  async #decode(
    plan: DecodePlan,
    pool: SlabPool,
    version: Parameters<typeof planDecoding>[2],
    haste: Haste,
  ): Promise<Outcome> {
    const { spec } = this;
    const board = this.#board;
    const over = plan.finite && !this.spec.config.loop;
    let firstAt: number | undefined;
    let silence: number | undefined;
    /** It is to begin anew, for this reason. */
    let anew: string | undefined;
    const beginAnew = (why: string): void => {
      if (anew === undefined) void session.stop();
      anew ??= why;
    };
    const note = (text: string): void => this.options.onNote?.(this.name, text);
    const reshape = new Reshape({
      ...{ plan, begunFor: this.#begunFor, reshapeMs: this.#timing.reshapeMs },
      onNote: (text) => {
        if (text !== this.#noted) note(text);
        this.#noted = text;
      },
      onAnew: (name) => {
        this.#begunFor = name;
        beginAnew(`its picture is now ${name}; it begins anew`);
      },
    });
    const events: SessionEvents = {
      onFrame: (frame) => {
        if (firstAt === undefined) {
          this.#leavePlace();
          firstAt = frame.receivedAt;
          this.#epoch++;
          this.#shown = plan;
        }
        board.lastFrameAt = Date.now();
        if (board.state !== "frozen") board.set("live", null);
        this.#push({ ...frame, epoch: this.#epoch, sequence: this.#sequence++ });
      },
      onLost: () => {
        this.#sequence++;
        this.ledger.captured();
        this.ledger.dropped("queue-full");
      },
      onUnreadable: (why) => {
        this.#sequence++;
        this.ledger.captured();
        this.ledger.dropped("decode-error");
        if (this.#unreadable.has(why) || this.#unreadable.size >= MAX_REPORTED_FAULTS) return;
        this.#unreadable.add(why);
        this.options.onNote?.(this.name, spec.mask(`${why}; it is left out`));
      },
      onNoSlab: () => {
        if (this.policy === "latest" && this.#queue.length > 0) this.#dropOldest("newer-frame");
      },
      onStall: (seconds) => {
        board.set("stalled", `no frame came for ${seconds} s`);
        // To begin a film again would show its frames twice; it may still go on.
        if (plan.finite || silence !== undefined) return;
        silence = seconds;
        void session.stop();
      },
      onFrozen: (frozen) => {
        if (frozen) board.set("frozen", `the picture has not changed for ${this.#limits.frozenMs / 1000} s`);
        else if (board.state === "frozen") board.set("live", null);
      },
      onShape: (shape) => reshape.look(shape),
    };
    const session = new DecoderSession(this.spec, plan, pool, version, this.#timing, events, haste);
    this.#current = session;
    const unwatch = this.#watchForChange(() => beginAnew("what it shows has changed; it begins anew"));
    if (this.#abort.signal.aborted) void session.stop();
    const end = await session.ended();
    unwatch();
    reshape.end();
    this.#lastLines = session.logLines();
    this.#current = undefined;
    if (anew !== undefined) {
      note(anew);
      if (!plan.finite) board.set("connecting", "its picture has taken another shape; it begins anew");
      return { failure: null, reason: null, over: false, livedMs: 0 };
    }
    if (end.cutOff && !this.#abort.signal.aborted) {
      this.ledger.captured();
      this.ledger.dropped("decode-error");
    }
    const livedMs = firstAt === undefined ? 0 : performance.now() - firstAt;
    const gaveNothing = end.frames === 0 && !end.error && !this.#abort.signal.aborted;
    if (plan.hardware && this.spec.config.hardware === "auto" && gaveNothing) {
      this.#software = true;
      const detail = end.complaints ? ` (${end.complaints})` : "";
      this.options.onNote?.(this.name, `no frame came of ${plan.hardware}${detail}; decoded in software from now on`);
      if (silence === undefined) return { failure: null, reason: null, over: false, livedMs };
    }
    if (plan.againSeconds !== undefined && end.frames === 1 && end.code === 0) {
      this.#snapshot = true;
      return { failure: null, reason: null, over: false, livedMs };
    }
    if (silence !== undefined) return { failure: "stalled", reason: `no frame came for ${silence} s`, over, livedMs };
    const failed = end.error !== undefined || end.code !== 0 || end.frames === 0 || !plan.finite;
    return {
      failure: failed ? "exited" : null,
      reason: this.spec.mask(describeEnd(end, failed) ?? "") || null,
      over: over && !(end.error instanceof ShortageError),
      livedMs,
    };
  }

  #push(frame: Frame): void {
    this.ledger.captured();
    this.#queue.push(frame);
    if (this.policy === "latest" && this.#queue.length > LIVE_QUEUE) this.#dropOldest("newer-frame");
    this.#available.next();
  }

  #dropOldest(reason: DropReason): void {
    this.#queue.shift()!.release();
    this.ledger.dropped(reason);
  }
}

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

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds <= 0 || signal.aborted) return;
  await sleep(milliseconds, undefined, { signal }).catch((error: Error) => {
    if (error.name !== "AbortError") throw error;
  });
}
