import { lastValueFrom, mergeMap, Subject, type Subscription } from "rxjs";
import { epochId, makeMessage } from "../messages/headers.js";
import type { FrameOutcome } from "../messages/message.js";
import type { SourceStatus } from "../messages/summary.js";
import type { Ledger } from "../pipeline/ledger.js";
import type { VideoSource } from "../pipeline/source.js";
import type { SourceState } from "../pipeline/source-state.js";

/** A status is published at every change, and as often as this without one. */
const EVERY_MS = 10_000;
const iso = (ms: number): string => new Date(ms).toISOString();

export interface StatusOptions {
  station: string;
  /** Unix milliseconds. */
  runStartedAt: number;
  publish(outcome: FrameOutcome): Promise<void>;
  onChange(source: VideoSource, state: SourceState): void;
}

/** Publishes the status of each source it is given: state, reason, restarts and the ledger. */
export class StatusReporter {
  #count = 0;
  #watched = new Map<string, { source: VideoSource; subscription: Subscription }>();
  readonly #outcomes = new Subject<FrameOutcome>();
  readonly #published: Promise<void>;
  #timer: NodeJS.Timeout;

  constructor(private readonly options: StatusOptions) {
    const published$ = this.#outcomes.pipe(mergeMap((outcome) => options.publish(outcome)));
    this.#published = lastValueFrom(published$, { defaultValue: undefined });
    this.#timer = setInterval(() => {
      for (const { source } of this.#watched.values()) this.#publish(source);
    }, EVERY_MS);
    this.#timer.unref();
  }

  watch(source: VideoSource): void {
    const subscription = source.status$.subscribe((state) => {
      this.options.onChange(source, state);
      this.#publish(source);
    });
    this.#watched.set(source.name, { source, subscription });
  }

  /** Publishes a source's last status; it is over for good. */
  unwatch(source: VideoSource): void {
    this.#watched.get(source.name)?.subscription.unsubscribe();
    this.#watched.delete(source.name);
    this.#publish(source);
  }

  /** Publishes every last status, with the final ledger, and stops. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const { source, subscription } of this.#watched.values()) {
      subscription.unsubscribe();
      this.#publish(source);
    }
    this.#outcomes.complete();
    await this.#published;
  }

  #publish(source: VideoSource): void {
    const status = describeSource(this.options.station, source.name, source.status(), source.ledger);
    const message = makeMessage({
      kind: "status",
      station: this.options.station,
      source: source.name,
      epoch: epochId(this.options.runStartedAt, 0),
      sequence: this.#count++,
      time: status.time,
      body: new TextEncoder().encode(JSON.stringify(status)),
      whenFull: "drop",
    });
    this.#outcomes.next({ source: source.name, status, messages: [message] });
  }
}

/** A source's state and ledger as they are now. */
export function describeSource(station: string, source: string, state: SourceState, ledger: Ledger): SourceStatus {
  const { dropped, ...counts } = ledger.snapshot();
  return {
    schema: "source-status/1",
    station,
    source,
    time: iso(Date.now()),
    state: state.state,
    reason: state.reason,
    since: iso(state.since),
    restarts: state.restarts,
    lastFrameAt: state.lastFrameAt === null ? null : iso(state.lastFrameAt),
    ledger: { ...counts, dropped: dropped as Record<string, number> },
    ffmpeg: state.ffmpeg,
  };
}
