import {
  AsyncSubject,
  defer,
  exhaustMap,
  filter,
  lastValueFrom,
  map,
  type Observable,
  of,
  race,
  Subject,
  type Subscription,
  take,
  takeUntil,
  timer,
} from "rxjs";
import { VideoExplainerError } from "../errors.js";
import type { Frame } from "../frame.js";
import type { VideoSource } from "./source.js";

export interface BatcherOptions {
  maxBatch: number;
  /**
   * How long a batch waits for more frames at most; 0 waits never. It waits no longer than leaves the work done before
   * the fastest source's next frame: that one's period less the usual time of a batch.
   */
  maxWaitMs: number;
  /** Batches handed out and not yet done, at most. Default 2: one is explained, the next is ready. */
  inFlight?: number;
  /** Asked when every source is over: whether to go on, for those still to be added. Default: `batches$` completes. */
  endless?: () => boolean;
}

/** What a source is batched as: each of its frames comes with it. */
export interface Batchable {
  readonly source: VideoSource;
}

/** A frame, to be released by the taker, and the session of its source. */
export interface BatchedFrame<S> {
  readonly frame: Frame;
  readonly session: S;
}

export interface Batch<S> {
  /** One or more, of each source in its order. */
  readonly frames: readonly BatchedFrame<S>[];
  /** Call once, when the next batch may come. */
  done(): void;
}

/** A live frame older than this enters no batch. */
const STALE_MS = 500;
/** A source that was silent for so long is not waited for. */
const SILENT_MS = 2000;
/** How long a batch may wait for more frames, whatever the period of the sources. */
const WINDOW = { minMs: 2, maxMs: 100 };

interface Entry<S> {
  readonly session: S;
  readonly source: VideoSource;
  readonly subscription: Subscription;
  lastAt: number;
  /** Milliseconds between frames, smoothed; infinite until two have come. */
  period: number;
}

/** Forms batches over many sources, in turn, never waiting for a silent one. */
export class Batcher<S extends Batchable> {
  readonly #entries: Entry<S>[] = [];
  readonly #wake = new Subject<void>();
  readonly #over = new AsyncSubject<void>();
  readonly #ended: Promise<void>;
  readonly #inFlightLimit: number;
  #inFlight = 0;
  /** Milliseconds from handing a batch out to its end, smoothed. */
  #workMs = 0;
  #next = 0;
  #closing = false;
  #isOver = false;
  #wakeScheduled = false;

  /** To be subscribed to once. Completes when every source is over and every batch done. */
  readonly batches$: Observable<Batch<S>> = defer(() => {
    this.#wakeSoon();
    return this.#wake.pipe(
      filter(() => this.#inFlight < this.#inFlightLimit && this.queued > 0),
      exhaustMap(() => this.#whenWorthwhile()),
      map(() => this.#form()),
      filter((frames) => frames.length > 0),
      map((frames) => this.#handOut(frames)),
      takeUntil(this.#over),
    );
  });

  constructor(private readonly options: BatcherOptions) {
    this.#inFlightLimit = options.inFlight ?? 2;
    this.#ended = lastValueFrom(this.#over, { defaultValue: undefined });
  }

  /** Sources now in it, those included that were removed but still hold frames. */
  get sources(): readonly VideoSource[] {
    return this.#entries.map((e) => e.source);
  }

  /** Frames queued in all sources. */
  get queued(): number {
    return this.#entries.reduce((sum, e) => sum + e.source.queued, 0);
  }

  add(session: S): void {
    const { source } = session;
    if (this.#closing)
      throw new VideoExplainerError("stopping", `source ${source.name} cannot be added while stopping`);
    this.#forgetFinished();
    if (this.#entries.some((e) => e.source.name === source.name)) {
      throw new VideoExplainerError("double-source", `there is a source ${source.name} already; give it another name`);
    }
    const subscription = source.available$.subscribe({
      next: () => {
        this.#noteArrival(entry);
        this.#wakeSoon();
      },
      complete: () => this.#wakeSoon(),
    });
    const [lastAt, period] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    const entry: Entry<S> = { session, source, subscription, lastAt, period };
    this.#entries.push(entry);
    this.#wakeSoon();
  }

  /** Stops a source; what an `every-frame` source had queued still comes in batches. */
  async remove({ source }: S): Promise<void> {
    await source.stop();
    this.#wakeSoon();
  }

  /**
   * Stops every source and waits until what is queued has been taken and done; after `deadlineMs` the rest counts as
   * `shutdown`.
   */
  async stop(deadlineMs: number): Promise<void> {
    this.#closing = true;
    const deadline = setTimeout(() => {
      for (const { source } of this.#entries) source.discard("shutdown");
      this.#finish();
    }, deadlineMs);
    await Promise.all(this.#entries.map((e) => e.source.stop()));
    this.#wakeSoon();
    await this.#ended;
    clearTimeout(deadline);
  }

  #noteArrival(entry: Entry<S>): void {
    const now = performance.now();
    const gap = now - entry.lastAt;
    if (gap < SILENT_MS) entry.period = Number.isFinite(entry.period) ? 0.8 * entry.period + 0.2 * gap : gap;
    entry.lastAt = now;
  }

  /** Wakes once after all that happens in this turn of the event loop. */
  #wakeSoon(): void {
    if (this.#wakeScheduled) return;
    this.#wakeScheduled = true;
    queueMicrotask(() => {
      this.#wakeScheduled = false;
      this.#wake.next();
      this.#forgetFinished();
      const mayEnd = this.#closing || !this.options.endless?.();
      if (mayEnd && this.#entries.length === 0 && this.#inFlight === 0) this.#finish();
    });
  }

  #forgetFinished(): void {
    for (let i = this.#entries.length - 1; i >= 0; i--) {
      const { source, subscription } = this.#entries[i]!;
      if (!source.isFinished) continue;
      subscription.unsubscribe();
      this.#entries.splice(i, 1);
      if (i < this.#next) this.#next--;
    }
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#over.next();
    this.#over.complete();
  }

  /** Emits once: at once when the batch is full or no more frames are to be expected in time, else when it is or time is up. */
  #whenWorthwhile(): Observable<unknown> {
    const window = this.#window();
    const until = performance.now() + window;
    const worthwhile = () => this.queued >= this.options.maxBatch || !this.#moreBefore(until);
    if (worthwhile()) return of(undefined);
    return race(timer(window), this.#wake.pipe(filter(worthwhile))).pipe(take(1));
  }

  #window(): number {
    const periods = this.#entries.filter((e) => e.period < SILENT_MS).map((e) => e.period);
    const spare = Math.min(WINDOW.maxMs, ...periods) - this.#workMs;
    return Math.min(this.options.maxWaitMs, Math.max(WINDOW.minMs, spare));
  }

  #moreBefore(until: number): boolean {
    const now = performance.now();
    return this.#entries.some(
      ({ source, lastAt, period }) =>
        !source.isFinished && !source.isFull && now - lastAt < SILENT_MS && lastAt + period <= until,
    );
  }

  /** One frame of each source in turn, beginning behind the one that was served last. */
  #form(): BatchedFrame<S>[] {
    const frames: BatchedFrame<S>[] = [];
    const entries = this.#entries;
    let without = 0;
    while (frames.length < this.options.maxBatch && without < entries.length) {
      this.#next %= entries.length;
      const { session, source } = entries[this.#next++]!;
      const frame = this.#takeFresh(source);
      if (frame) frames.push({ frame, session });
      without = frame ? 0 : without + 1;
    }
    if (frames.length === 0) this.#wakeSoon();
    return frames;
  }

  #takeFresh(source: VideoSource): Frame | undefined {
    for (;;) {
      const frame = source.take();
      if (frame?.policy !== "latest" || performance.now() - frame.receivedAt <= STALE_MS) return frame;
      frame.release();
      source.ledger.dropped("stale");
    }
  }

  #handOut(frames: readonly BatchedFrame<S>[]): Batch<S> {
    this.#inFlight++;
    this.#wakeSoon();
    const handedOut = performance.now();
    let isDone = false;
    const done = () => {
      if (isDone) return;
      isDone = true;
      this.#inFlight--;
      const took = performance.now() - handedOut;
      this.#workMs = this.#workMs === 0 ? took : 0.8 * this.#workMs + 0.2 * took;
      this.#wakeSoon();
    };
    return { frames, done };
  }
}

export function createBatcher<S extends Batchable>(sessions: readonly S[], options: BatcherOptions): Batcher<S> {
  const batcher = new Batcher<S>(options);
  for (const session of sessions) batcher.add(session);
  return batcher;
}
