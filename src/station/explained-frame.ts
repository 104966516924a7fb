import type { Explainer, ExplainInput, Explanation } from "../explain/explanation.js";
import { type Frame, modelRows } from "../frame.js";
import type { ChoiceReason } from "../messages/summary.js";
import type { OverlayRequest, OverlayStyle } from "../overlay/overlay.js";

/** A frame, what was found on it, and what it was explained and is to be drawn with. */
export interface ExplainedFrame {
  frame: Frame;
  explanation: Explanation;
  explainer: Pick<Explainer, "model" | "engine">;
  style: OverlayStyle;
  /** What `explain.when` chose it for; empty of a frame that it did not choose. */
  why: readonly ChoiceReason[];
  /** When its batch was begun, in milliseconds of `performance.now()`, and how long that was explained. */
  batch: { startedAt: number; explainMs: number; size: number };
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
