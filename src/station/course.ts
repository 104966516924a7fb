import type { SourceConfig } from "../config/schema.js";
import type { SourceMetrics } from "../metrics/source-metrics.js";
import { Ledger, type LedgerEvent, openSource, type SourceOptions, type VideoSource } from "../pipeline/index.js";
import { ScaleTracker } from "./scale.js";

export interface CourseOptions extends Omit<SourceOptions, "onRestart"> {
  /** Unix milliseconds that the source's epochs count from in message ids. */
  openedAt: number;
  counts: SourceMetrics;
  /** Counts the frames of all sources, the removed ones included. */
  total: Ledger;
}

/** One source on its way through the station: its ledger, and what is remembered of it from frame to frame. */
export class Course {
  readonly source: VideoSource;
  readonly ledger: Ledger;
  readonly scale = new ScaleTracker();
  readonly openedAt: number;
  readonly counts: SourceMetrics;
  /** Frames that have come to be classified. */
  taken = 0;
  /** Settles when all its frames so far are delivered: deliveries are chained, so that they leave in order. */
  delivered: Promise<void> = Promise.resolve();
  #onDrained: (() => void) | undefined;

  /** Throws an `InputError` for an address of no known kind. */
  constructor(
    readonly config: SourceConfig,
    { openedAt, counts, total, ...options }: CourseOptions,
  ) {
    this.openedAt = openedAt;
    this.counts = counts;
    this.ledger = new Ledger(config.name, (_, what, reason) => {
      tally(total, what, reason);
      if (what === "dropped") counts.dropped(reason!);
      else counts[what]();
      counts.inFlight(this.ledger.inFlight);
      if (this.ledger.inFlight === 0) this.#onDrained?.();
    });
    this.source = openSource(config, { ...options, onRestart: (_, reason) => counts.restarted(reason) }, this.ledger);
  }

  /** Resolves when no frame of it is on its way any more; to be asked once it is stopped. */
  drained(): Promise<void> {
    if (this.ledger.inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onDrained = resolve;
    });
  }
}

function tally(total: Ledger, what: LedgerEvent, reason: Parameters<Ledger["dropped"]>[0] | undefined): void {
  if (what === "dropped") total.dropped(reason!);
  else total[what]();
}
