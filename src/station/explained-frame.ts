import type { Explainer, ExplainInput, Explanation } from "../explain/explanation.js";
import { type Frame, modelRows } from "../frame.js";
import { messageId } from "../messages/headers.js";
import type { Summary } from "../messages/summary.js";
import type { OverlayRequest, OverlayResult, OverlayStyle } from "../overlay/overlay.js";
import { summarise } from "./summarise.js";

/** A frame, what was found on it, and what it was explained and is to be drawn with. */
export interface ExplainedFrame {
  frame: Frame;
  explanation: Explanation;
  explainer: Pick<Explainer, "model" | "engine">;
  style: OverlayStyle;
  batch: BatchTiming;
}

/** When a batch was begun, in milliseconds of `performance.now()`, and how long it was explained. */
export interface BatchTiming {
  startedAt: number;
  explainMs: number;
  size: number;
}

/** Where a frame's messages come from; `epoch` as `epochId` gives it. */
export interface Origin {
  station: string;
  epoch: number;
}

/** A frame as the explainer takes it. */
export const explainInput = (
  { memory, layout }: Pick<Frame, "memory" | "layout">,
  how: Pick<ExplainInput, "classifyOnly" | "scale">,
): ExplainInput => ({ memory, ...modelRows(layout), ...how });

/** What the renderer is asked to make of it. */
export const overlayRequest = (
  { frame: { memory, layout }, explanation, style }: ExplainedFrame,
  want: OverlayRequest["want"],
): OverlayRequest => ({
  ...{ memory, layout, style, want },
  heatmap: explanation.relevance?.heatmap ?? null,
  caption: explanation.target,
});

/** Its summary, as of now; `drawn`: where something was drawn. */
export function summaryOf(
  { frame, explanation, explainer: { model, engine }, batch }: ExplainedFrame,
  { station, epoch }: Origin,
  drawn: Pick<OverlayResult, "milliseconds"> | undefined,
): Summary {
  const { source, sequence, receivedAt } = frame;
  const id = messageId({ station, source, epoch, sequence, kind: "summary" });
  const timing = {
    queueMs: rounded(batch.startedAt - receivedAt),
    explainMs: rounded(batch.explainMs),
    overlayMs: rounded(drawn?.milliseconds ?? 0),
    totalMs: rounded(performance.now() - receivedAt),
    batchSize: batch.size,
  };
  return summarise({ id, station, frame, model, engine, explanation, timing });
}

const rounded = (ms: number): number => Math.round(ms * 100) / 100;
