import { endWith, filter, ignoreElements, merge, type Observable, Subject, take } from "rxjs";
import type { Config, SourceConfig } from "../config/schema.js";
import type { ExplainInput, Explanation } from "../explain/explanation.js";
import type { Frame } from "../frame.js";
import type { DropReason } from "../messages/ledger.js";
import type { Warning } from "../messages/summary.js";
import type { SourceMetrics } from "../metrics/source-metrics.js";
import { Ledger, type openSource, type SourceOptions, type VideoSource } from "../pipeline/index.js";
import { DriftMonitor } from "./drift.js";
import { type ExplainedFrame, explainInput } from "./explained-frame.js";
import { ScaleTracker } from "./scale.js";
import { flows, warningsOf } from "./warnings.js";

export interface SessionOptions extends Omit<SourceOptions, "onRestart"> {
  /** Unix milliseconds that the source's epochs count from in message ids. */
  openedAt: number;
  counts: SourceMetrics;
  /** Counts the frames of all sources, the removed ones included. */
  total: Ledger;
  open: typeof openSource;
}

/** One source from its opening to its end: its ledger, and what is remembered of it from frame to frame. */
export class SourceSession {
  readonly source: VideoSource;
  readonly ledger: Ledger;
  readonly openedAt: number;
  readonly counts: SourceMetrics;
  /** Emits once, when the source is over and none of its frames is on its way any more, and completes. */
  readonly over$: Observable<void>;
  readonly #scale = new ScaleTracker();
  readonly #counted = new Subject<void>();
  #usual: { explainer: ExplainedFrame["explainer"]; drift: DriftMonitor } | undefined;
  #taken = 0;

  /** Throws an `InputError` for an address of no known kind. */
  constructor(
    readonly config: SourceConfig,
    { openedAt, counts, total, open, ...options }: SessionOptions,
  ) {
    this.openedAt = openedAt;
    this.counts = counts;
    this.ledger = new Ledger(config.name, (_, what, reason) => {
      if (what === "dropped") {
        total.dropped(reason!);
        counts.dropped(reason!);
      } else {
        total[what]();
        counts[what]();
      }
      counts.inFlight(this.ledger.inFlight);
      this.#counted.next();
    });
    this.source = open(config, { ...options, onRestart: (_, reason) => counts.restarted(reason) }, this.ledger);
    const ended$ = this.source.available$.pipe(ignoreElements(), endWith(undefined));
    this.over$ = merge(this.#counted, ended$).pipe(
      filter(() => this.source.isFinished && this.ledger.inFlight === 0),
      take(1),
    );
  }

  /** Its next frame as the explainer takes it; `every`: explain each Nth, classify the others. */
  inputFor(frame: Frame, every: number): ExplainInput {
    // Not by its sequence: of a live source every frame with the right number may have been dropped.
    const classifyOnly = this.#taken++ % every !== 0;
    return explainInput(frame, { classifyOnly, scale: this.#scale.scale, interest: this.config.interest });
  }

  /** Takes in what was found on a frame, and says what to beware of; to be called in their order. */
  record(
    { frame, explanation: { top, target, relevance }, explainer }: Omit<ExplainedFrame, "warnings">,
    limits: Config["warnings"],
  ): readonly Warning[] {
    this.counts.lastFrame(frame.capturedAt);
    this.counts.prediction(top[0]!.label);
    if (!relevance) return [];
    this.counts.concentration(relevance.concentration);
    this.#scale.add(relevance.peak);
    // By another method it lies elsewhere.
    if (this.#usual?.explainer !== explainer) this.#usual = { explainer, drift: new DriftMonitor(limits.driftFrames) };
    const { drift } = this.#usual;
    if (flows(relevance)) drift.add({ target, relevance });
    const warnings = warningsOf(relevance, limits, drift.isDrifting);
    for (const warning of warnings) this.counts.warned(warning);
    return warnings;
  }

  /** Enters a frame into the ledger when it is known whether its summary was published. */
  settle({ receivedAt }: Frame, { relevance }: Explanation, published: boolean): void {
    if (!published) return this.ledger.dropped("sink-overflow");
    if (relevance) this.ledger.explained();
    else this.ledger.classified();
    this.counts.endToEnd((performance.now() - receivedAt) / 1000);
  }

  /** Ends a frame that is not published. */
  drop(frame: Frame, reason: DropReason): void {
    this.ledger.dropped(reason);
    frame.release();
  }
}
