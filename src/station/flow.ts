import {
  concatMap,
  defaultIfEmpty,
  defer,
  from,
  groupBy,
  map,
  mergeMap,
  type Observable,
  of,
  takeUntil,
  tap,
} from "rxjs";
import { VideoExplainerError } from "../errors.js";
import type { Logger } from "../log.js";
import { epochId, makeMessage } from "../messages/headers.js";
import type { OutMessage } from "../messages/message.js";
import type { Metrics } from "../metrics/metrics.js";
import type { OverlayRenderer, OverlayResult } from "../overlay/overlay.js";
import type { Batch } from "../pipeline/index.js";
import { RateLimitedLog } from "../rate-limited-log.js";
import type { Delivery } from "./deliver.js";
import { type ExplainedFrame, overlayRequest } from "./explained-frame.js";
import { inOrder } from "./in-order.js";
import type { SettingsSource } from "./settings.js";
import type { SourceSession } from "./source-session.js";
import { summarise } from "./summarise.js";

export interface FlowParts {
  station: string;
  settings: SettingsSource;
  renderer: OverlayRenderer;
  delivery: Delivery;
  metrics: Metrics;
  log: Logger;
  /** Emits when nothing is waited for any more that hangs: frames that are not explained by then count as `shutdown`. */
  giveUp$: Observable<void>;
}

interface Explained extends ExplainedFrame {
  session: SourceSession;
}

interface Drawn extends Explained {
  /** Undefined where nothing was to be drawn, or it could not be. */
  drawn: OverlayResult | undefined;
}

const encoder = new TextEncoder();

/**
 * The way of all frames. Each batch is explained and each frame drawn as soon as it comes, beside those before it; frames
 * of one source leave in their order. Completes when the last one has left.
 */
export function frameFlow(batches$: Observable<Batch<SourceSession>>, parts: FlowParts): Observable<void> {
  const faults = new RateLimitedLog();
  return batches$.pipe(
    inOrder((batch) => explain(batch, parts, faults)),
    tap(({ batch }) => batch.done()),
    mergeMap(({ frames }) => frames),
    tap(({ session, frame, explanation }) => session.record(frame, explanation)),
    groupBy(({ session }) => session, { duration: ({ key: session }) => session.over$ }),
    mergeMap((ofOneSource$) =>
      ofOneSource$.pipe(
        inOrder((frame) => draw(frame, parts)),
        concatMap((frame) => deliver(frame, parts)),
      ),
    ),
  );
}

/** Emits once: a batch with those of its frames that could be explained. */
function explain(batch: Batch<SourceSession>, { settings, metrics, log, giveUp$ }: FlowParts, faults: RateLimitedLog) {
  const { explainer, explain, overlay: style } = settings.current;
  const startedAt = performance.now();
  const size = batch.frames.length;
  metrics.batch(size);
  for (const { frame } of batch.frames) metrics.stage("queue", (startedAt - frame.receivedAt) / 1000);
  const inputs = batch.frames.map(({ frame, session }) => session.inputFor(frame, explain.every));
  return defer(() => explainer.explainEach(inputs)).pipe(
    takeUntil(giveUp$),
    defaultIfEmpty(undefined),
    map((results) => {
      const explainMs = performance.now() - startedAt;
      metrics.stage("explain", explainMs / 1000);
      const frames = batch.frames.flatMap(({ frame, session }, k): Explained[] => {
        const explanation = results?.[k];
        if (explanation && !(explanation instanceof Error)) {
          return [{ frame, session, explanation, explainer, style, batch: { startedAt, explainMs, size } }];
        }
        if (explanation instanceof VideoExplainerError && explanation.code === "engine-died") {
          // It is so with every frame from now on.
          const { message } = explanation;
          faults.happened(message, () => log.error(`frames are not explained any more, and dropped: ${message}`));
        } else if (explanation) {
          log.error(`source ${frame.source}, frame ${frame.sequence} could not be explained: ${explanation.message}`);
        }
        session.drop(frame, explanation ? "explain-error" : "shutdown");
        return [];
      });
      return { batch, frames };
    }),
  );
}

/** A picture that cannot be drawn costs that picture, not the summary. */
function draw(explained: Explained, { delivery, renderer, metrics, log, giveUp$ }: FlowParts): Observable<Drawn> {
  const { frame, explanation } = explained;
  const { source, sequence } = frame;
  const upcoming = { sequence, label: explanation.target.label, explained: explanation.relevance !== null };
  const want = {
    overlay: upcoming.explained && delivery.wantsOverlay(source, upcoming),
    heatmap: upcoming.explained && delivery.wants("heatmap"),
    original: delivery.wantsOriginal(source, upcoming),
  };
  if (!want.overlay && !want.heatmap && !want.original) return of({ ...explained, drawn: undefined });
  const drawing = renderer.render(overlayRequest(explained, want)).then(
    (drawn) => {
      metrics.stage("overlay", drawn.milliseconds / 1000);
      return drawn;
    },
    (error: Error) => {
      log.error(`source ${source}, frame ${sequence}: ${error.message}`);
      return undefined;
    },
  );
  return from(drawing).pipe(
    takeUntil(giveUp$),
    defaultIfEmpty(undefined),
    map((drawn) => ({ ...explained, drawn })),
  );
}

/** A frame's memory is released once the sinks have taken its messages; it is in flight until they have published or dropped its summary. */
async function deliver(explained: Drawn, { station, delivery, log }: FlowParts): Promise<void> {
  const { frame, session, explanation, drawn } = explained;
  const { source, sequence, layout } = frame;
  try {
    const epoch = epochId(session.openedAt, frame.epoch);
    const summary = summarise(explained, { station, epoch }, drawn?.milliseconds);
    const parts = {
      ...{ station, source, epoch, sequence },
      time: summary.capturedAt,
      whenFull: frame.policy === "every-frame" ? ("wait" as const) : ("drop" as const),
    };
    const headers = explanation.relevance ? { "Relevance-Scale": String(explanation.relevance.scale) } : undefined;
    const messages: OutMessage[] = [
      makeMessage({ ...parts, kind: "summary", body: encoder.encode(JSON.stringify(summary)) }),
    ];
    if (drawn?.overlay) messages.push(makeMessage({ ...parts, kind: "overlay", body: drawn.overlay, headers }));
    if (drawn?.heatmap) messages.push(makeMessage({ ...parts, kind: "heatmap", body: drawn.heatmap, headers }));
    const outcome = { source, summary, messages, original: drawn?.original, placement: layout.placement };
    await delivery.write(outcome, (published) => session.settle(frame, explanation, published));
  } catch (error) {
    log.error(`source ${source}, frame ${sequence}: ${(error as Error).message}`);
    session.ledger.dropped("explain-error");
  } finally {
    frame.release();
  }
}
