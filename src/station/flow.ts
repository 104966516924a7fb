import { concatMap, defaultIfEmpty, from, groupBy, map, mergeMap, type Observable, of, takeUntil } from "rxjs";
import type { Logger } from "../log.js";
import { epochId, makeMessage } from "../messages/headers.js";
import type { OutMessage } from "../messages/message.js";
import type { Metrics } from "../metrics/metrics.js";
import type { OverlayRenderer, OverlayResult } from "../overlay/overlay.js";
import type { Batch } from "../pipeline/index.js";
import type { Sink } from "../sinks/sink.js";
import { type Delivery, wants, wantsOriginal, wantsOverlay } from "./deliver.js";
import { type Explained, errorReport, explainBatches } from "./explain-batches.js";
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
  /** Each batch is of one source: those of one do not wait for those of another, whose answers are away for longer. */
  bySource?: boolean;
}

interface Taken extends Explained, ExplainedFrame {
  /** The sinks that take it. */
  takers: readonly Sink[];
}

interface Drawn extends Taken {
  /** Undefined where nothing was to be drawn, or it could not be. */
  drawn: OverlayResult | undefined;
}

const encoder = new TextEncoder();

/**
 * The way of all frames. Each batch is explained and each frame drawn as soon as it comes, beside those before it; frames
 * of one source leave in their order. Completes when the last one has left.
 */
export function frameFlow(batches$: Observable<Batch<SourceSession>>, parts: FlowParts): Observable<void> {
  return explainedFrames(batches$, parts).pipe(
    map((explained): Taken => ({ ...explained, ...recorded(explained, parts) })),
    groupBy(({ session }) => session, { duration: ({ key: session }) => session.over$ }),
    mergeMap((ofOneSource$) =>
      ofOneSource$.pipe(
        inOrder((frame) => draw(frame, parts)),
        concatMap((frame) => deliver(frame, parts)),
      ),
    ),
  );
}

function explainedFrames(batches$: Observable<Batch<SourceSession>>, parts: FlowParts): Observable<Explained> {
  if (!parts.bySource) return explainBatches(batches$, parts);
  const report = errorReport(parts.log);
  return batches$.pipe(
    groupBy(({ frames }) => frames[0]!.session, { duration: ({ key: session }) => session.over$ }),
    mergeMap((ofOneSource$) => explainBatches(ofOneSource$, parts, report)),
  );
}

/** To be called of one frame after the other: what is known of its source is brought up to date. */
function recorded(explained: Explained, { delivery, settings }: FlowParts): Pick<Taken, "takers" | "warnings"> {
  const { session, explanation } = explained;
  const { label, probability } = explanation.top[0]!;
  const { changed, warnings } = session.record(explained, settings.current.warnings);
  const takers = delivery.takers({ label, probability, changed, explained: explanation.relevance !== null });
  return { takers, warnings };
}

/** A picture that cannot be drawn costs that picture, not the summary. */
function draw(explained: Taken, { renderer, metrics, log, giveUp$ }: FlowParts): Observable<Drawn> {
  const { frame, explanation, takers, why } = explained;
  const { source, sequence } = frame;
  const upcoming = { sequence, label: explanation.target.label, explained: explanation.relevance !== null, why };
  const want = {
    overlay: upcoming.explained && wantsOverlay(takers, source, upcoming),
    heatmap: upcoming.explained && wants(takers, "heatmap"),
    original: wantsOriginal(takers, source, upcoming),
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
  const { frame, session, explanation, takers, drawn } = explained;
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
    if (drawn?.heatmap) {
      const { width, height, placement } = layout;
      const place = { "Heatmap-Placement": JSON.stringify({ width, height, ...placement }) };
      messages.push(makeMessage({ ...parts, kind: "heatmap", body: drawn.heatmap, headers: { ...headers, ...place } }));
    }
    if (drawn?.original && wants(takers, "original"))
      messages.push(makeMessage({ ...parts, kind: "original", body: drawn.original }));
    const outcome = { source, summary, messages, original: drawn?.original, placement: layout.placement };
    await delivery.write(outcome, takers, (published) => session.settle(frame, explanation, published));
  } catch (error) {
    log.error(`source ${source}, frame ${sequence}: ${(error as Error).message}`);
    session.ledger.dropped("explain-error");
  } finally {
    frame.release();
  }
}
