import { concatMap, defaultIfEmpty, defer, finalize, map, type Observable, of, takeUntil, tap } from "rxjs";
import type { When } from "../config/choice.js";
import { VideoExplainerError } from "../errors.js";
import type { Explainer, ExplainInput, Explanation } from "../explain/explanation.js";
import type { Frame } from "../frame.js";
import type { Logger } from "../log.js";
import { LeftOutError } from "../messages/ledger.js";
import type { ChoiceReason } from "../messages/summary.js";
import type { Metrics } from "../metrics/metrics.js";
import type { OverlayStyle } from "../overlay/overlay.js";
import type { Batch } from "../pipeline/index.js";
import { RateLimitedLog } from "../rate-limited-log.js";
import type { ExplainedFrame } from "./explained-frame.js";
import { inOrder } from "./in-order.js";
import type { SettingsSource } from "./settings.js";
import type { SourceSession } from "./source-session.js";

export interface ExplainParts {
  settings: SettingsSource;
  metrics: Metrics;
  log: Logger;
  /** Emits when nothing is waited for any more that hangs: frames that are not explained by then count as `shutdown`. */
  giveUp$: Observable<void>;
}

/** What is known of a frame behind the explainer, with the session of its source. */
export interface Explained extends Omit<ExplainedFrame, "warnings"> {
  session: SourceSession;
}

/** A batch on its way through the explainer, with the choice and the style that were set at its begin. */
interface Run {
  batch: Batch<SourceSession>;
  when: When | null;
  style: OverlayStyle;
  /** `performance.now()` */
  startedAt: number;
  frames: readonly Classified[];
}

interface Classified {
  frame: Frame;
  session: SourceSession;
  /** See `SourceSession.begin`. */
  nth: number;
  explanation: Explanation;
  /** What gave the explanation. */
  explainer: Explainer;
  why: readonly ChoiceReason[];
}

/**
 * Explains batches, one beside the other, and emits their frames in order. Under `explain.when` a batch is classified first,
 * as a whole; the frames that are chosen of it make a second batch, which is explained. Only then is the batch done.
 */
export function explainBatches(
  batches$: Observable<Batch<SourceSession>>,
  parts: ExplainParts,
  report: ErrorReport = errorReport(parts.log),
): Observable<Explained> {
  return batches$.pipe(
    inOrder((batch) => classify(batch, parts, report)),
    map(choose),
    inOrder((run) => explainChosen(run, parts, report)),
    tap(({ batch }) => batch.done()),
    concatMap((run) => explainedFrames(run, parts)),
  );
}

/** Emits once: the batch with those of its frames that could be classified, and explained where that is certain already. */
function classify(
  batch: Batch<SourceSession>,
  { settings, metrics, giveUp$ }: ExplainParts,
  report: ErrorReport,
): Observable<Run> {
  const { explainer, explain, overlay: style } = settings.current;
  const startedAt = performance.now();
  metrics.batch(batch.frames.length);
  for (const { frame } of batch.frames) metrics.stage("queue", (startedAt - frame.receivedAt) / 1000);
  const begun = batch.frames.map((given) => ({ ...given, ...given.session.begin(given.frame, explain) }));
  return runOn(explainer, begun, giveUp$).pipe(
    map((results) => ({
      ...{ batch, when: explain.when, style, startedAt },
      frames: begun.flatMap(({ frame, session, nth }, k): Classified[] => {
        const explanation = results?.[k];
        if (isExplanation(explanation)) return [{ frame, session, nth, explanation, explainer, why: [] }];
        drop(frame, session, explanation, report);
        return [];
      }),
    })),
  );
}

/** To be called for one batch after the other: why each of its frames is to be explained. */
const choose = (run: Run): Run => ({
  ...run,
  frames: run.frames.map((one) => ({
    ...one,
    why: one.session.choose(one.frame, one.explanation, run.when, one.nth),
  })),
});

/**
 * Emits once: the batch, its chosen frames explained, but those that could not be. What is set now explains them: an explainer
 * that was replaced since the batch was classified is being closed.
 */
function explainChosen(run: Run, { settings, giveUp$ }: ExplainParts, report: ErrorReport): Observable<Run> {
  const isLeft = ({ why, explanation }: Classified): boolean => why.length > 0 && explanation.relevance === null;
  const left = run.frames.filter(isLeft);
  if (left.length === 0) return of(run);
  const { explainer } = settings.current;
  const asked = left.map(({ frame, session }) => ({ frame, session, input: session.inputForChosen(frame) }));
  return runOn(explainer, asked, giveUp$).pipe(
    map((results) => {
      const found = new Map(left.map((one, k) => [one, results?.[k]]));
      const frames = run.frames.flatMap((one): Classified[] => {
        if (!found.has(one)) return [one];
        const explanation = found.get(one);
        if (isExplanation(explanation)) return [{ ...one, explanation, explainer }];
        one.session.failedToExplain(one.frame);
        drop(one.frame, one.session, explanation, report);
        return [];
      });
      return { ...run, frames };
    }),
  );
}

const isExplanation = (result: Explanation | Error | undefined): result is Explanation =>
  result !== undefined && !(result instanceof Error);

interface Asked {
  frame: Frame;
  session: SourceSession;
  input: ExplainInput;
}

/** Emits once: what came of each; undefined where it was given up. */
function runOn(
  explainer: Explainer,
  asked: readonly Asked[],
  giveUp$: Observable<void>,
): Observable<readonly (Explanation | Error)[] | undefined> {
  const tickets = asked.map(({ frame, session }) => session.ticket(frame));
  const end = (): void => {
    for (const ticket of tickets) ticket.end();
  };
  const inputs = asked.map(({ input }) => input);
  return defer(() => explainer.explainEach(inputs, tickets)).pipe(
    takeUntil(giveUp$),
    defaultIfEmpty(undefined),
    // Before anything is entered into the ledger of them.
    tap(end),
    finalize(end),
  );
}

function explainedFrames({ batch, style, startedAt, frames }: Run, { metrics }: ExplainParts): Explained[] {
  const explainMs = performance.now() - startedAt;
  metrics.stage("explain", explainMs / 1000);
  const { length: size } = batch.frames;
  return frames.map(({ frame, session, explanation, explainer, why }) => ({
    ...{ frame, session, explanation, explainer, why, style },
    batch: { startedAt, explainMs, size },
  }));
}

/** Says why a frame could not be explained. */
export type ErrorReport = (frame: Frame, error: Error) => void;

export function errorReport(log: Logger): ErrorReport {
  const faults = new RateLimitedLog();
  return ({ source, sequence }, error) => {
    if (error instanceof LeftOutError) {
      const { message, why } = error;
      faults.happened(why, () => log.warn(`frames are dropped as ${why}: ${message}`));
    } else if (error instanceof VideoExplainerError && error.code === "engine-died") {
      // It is so with every frame from now on.
      const { message } = error;
      faults.happened(message, () => log.error(`frames are not explained any more, and dropped: ${message}`));
    } else log.error(`source ${source}, frame ${sequence} could not be explained: ${error.message}`);
  };
}

/** Ends a frame that could not be explained; without an error, that was given up. */
function drop(frame: Frame, session: SourceSession, error: Error | undefined, report: ErrorReport): void {
  if (error) report(frame, error);
  const why = error instanceof LeftOutError ? error.why : "explain-error";
  session.drop(frame, error ? why : "shutdown");
}
