import { endWith, filter, ignoreElements, merge, type Observable, Subject, take } from "rxjs";
import type { When } from "../config/choice.js";
import type { Config, SourceConfig } from "../config/schema.js";
import type { ExplainInput, Explanation } from "../explain/explanation.js";
import type { Frame, FrameTicket } from "../frame.js";
import { epochId } from "../messages/headers.js";
import type { DropReason } from "../messages/ledger.js";
import type { ChoiceReason, Summary, Warning } from "../messages/summary.js";
import type { SourceMetrics } from "../metrics/source-metrics.js";
import { Ledger, type openSource, type SourceOptions, type VideoSource } from "../pipeline/index.js";
import { FrameChooser, isCertain } from "./choosing.js";
import { DriftMonitor } from "./drift.js";
import { type ExplainedFrame, explainInput } from "./explained-frame.js";
import { ScaleTracker } from "./scale.js";
import type { FrameSettings } from "./settings.js";
import { checkedAgainst } from "./summarise.js";
import { flows, warningsOf } from "./warnings.js";

export interface SessionOptions extends Omit<SourceOptions, "onRestart"> {
  /** Unix milliseconds that the source's epochs count from in message ids. */
  openedAt: number;
  counts: SourceMetrics;
  /** Counts the frames of all sources, the removed ones included. */
  total: Ledger;
  open: typeof openSource;
}

/** What `record` says of a frame. */
interface Recorded {
  changed: boolean;
  warnings: readonly Warning[];
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
  readonly #chooser = new FrameChooser();
  readonly #counted = new Subject<void>();
  #usual: { explainer: ExplainedFrame["explainer"]; window: number; drift: DriftMonitor } | undefined;
  /** Of its latest frame that was classified. */
  #decision: { epoch: number; index: number } | undefined;
  #taken = 0;

  /** Throws an `InputError` for an address of no known kind. */
  constructor(
    readonly config: SourceConfig,
    { openedAt, counts, total, open, ...options }: SessionOptions,
  ) {
    this.openedAt = openedAt;
    this.counts = counts;
    this.ledger = new Ledger(
      config.name,
      (_, what, reason) => {
        if (what === "dropped") {
          total.dropped(reason!);
          counts.dropped(reason!);
        } else {
          total[what]();
          counts[what]();
        }
        counts.inFlight(this.ledger.inFlight);
        this.#counted.next();
      },
      (move) => {
        if (move === "queued") total.giveOut();
        else total.takeBack();
        counts.inFlight(this.ledger.inFlight);
        counts.queued(this.ledger.queued);
      },
    );
    this.source = open(config, { ...options, onRestart: (_, reason) => counts.restarted(reason) }, this.ledger);
    const ended$ = this.source.available$.pipe(ignoreElements(), endWith(undefined));
    this.over$ = merge(this.#counted, ended$).pipe(
      filter(() => this.source.isFinished && this.ledger.inFlight + this.ledger.queued === 0),
      take(1),
    );
  }

  /**
   * Its next frame, as the explainer takes it at first: explained at once where that is certain (each Nth), else only
   * classified. `nth`: what `choose` is to be told of it.
   */
  begin(frame: Frame, { every, when }: FrameSettings["explain"]): { input: ExplainInput; nth: number } {
    // Not by its sequence: of a live source every frame with the right number may have been dropped.
    const taken = this.#taken++;
    const nth = this.#chooser.number(frame);
    const isChosen = when === null ? taken % every === 0 : isCertain(when, nth);
    return { input: this.#inputFor(frame, !isChosen), nth };
  }

  /** Why a frame that was classified is to be explained; nothing where `every` decides. To be called in their order. */
  choose(frame: Frame, explanation: Explanation, when: When | null, nth: number): readonly ChoiceReason[] {
    if (when !== null) return this.#chooser.choose(when, frame, explanation, nth);
    if (explanation.relevance) this.#chooser.chosen(frame, explanation.top[0]!.index);
    return [];
  }

  /** A frame that was classified and is to be explained as well, as the explainer takes it. */
  inputForChosen(frame: Frame): ExplainInput {
    return this.#inputFor(frame, false);
  }

  #inputFor(frame: Frame, classifyOnly: boolean): ExplainInput {
    return explainInput(frame, { classifyOnly, scale: this.#scale.scale, interest: this.config.interest });
  }

  /** For an explainer that gives the frame out; `end` is to be called once it is not waited for any more. */
  ticket({ source, epoch, sequence, receivedAt, policy }: Frame): FrameTicket & { end(): void } {
    const { ledger } = this;
    let [isOut, isOver] = [false, false];
    const givenOut = (out: boolean): void => {
      if (isOver || out === isOut) return;
      isOut = out;
      if (out) ledger.giveOut();
      else ledger.takeBack();
    };
    return {
      ...{ source, sequence, receivedAt },
      epoch: epochId(this.openedAt, epoch),
      isLive: policy === "latest",
      givenOut,
      end() {
        givenOut(false);
        isOver = true;
      },
    };
  }

  /** A frame that was chosen could not be explained. */
  failedToExplain(frame: Frame): void {
    this.#chooser.failed(frame);
  }

  /**
   * Takes in what was found on a frame, and says what to beware of; to be called in their order. `changed`: the class on top is not that of
   * the frame before, or there is none before since the source was connected.
   */
  record(found: Omit<ExplainedFrame, "warnings">, limits: Config["warnings"]): Recorded {
    const { frame, explanation, why } = found;
    const { index, label } = explanation.top[0]!;
    const before = this.#decision;
    this.#decision = { epoch: frame.epoch, index };
    this.counts.lastFrame(frame.capturedAt);
    this.counts.prediction(label);
    for (const reason of why) this.counts.chosen(reason);
    if (frame.truth) this.#countTruth(checkedAgainst(frame.truth, explanation));
    return {
      changed: before?.epoch !== frame.epoch || before.index !== index,
      warnings: this.#warnings(found, limits),
    };
  }

  #countTruth({ right, insideMask }: NonNullable<Summary["truth"]>): void {
    this.counts.checked(right);
    if (insideMask !== undefined) this.counts.insideMask(insideMask);
  }

  #warnings(
    { explanation: { target, relevance }, explainer }: Omit<ExplainedFrame, "warnings">,
    limits: Config["warnings"],
  ): readonly Warning[] {
    if (!relevance) return [];
    this.counts.concentration(relevance.concentration);
    this.#scale.add(relevance.peak);
    const drift = limits.driftFrames > 0 ? this.#driftOf(explainer, limits.driftFrames) : undefined;
    if (flows(relevance)) drift?.add({ target, relevance });
    const warnings = warningsOf(relevance, limits, drift?.isDrifting ?? false);
    for (const warning of warnings) this.counts.warned(warning);
    return warnings;
  }

  #driftOf(explainer: ExplainedFrame["explainer"], window: number): DriftMonitor {
    // By another method it lies elsewhere; a reload may have set another window.
    if (this.#usual?.explainer !== explainer || this.#usual.window !== window)
      this.#usual = { explainer, window, drift: new DriftMonitor(window) };
    return this.#usual.drift;
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
