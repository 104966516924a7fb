import type { Explainer, ExplainInput, Explanation } from "../explain/explanation.js";
import { type Frame, modelRows, type Placement, type Rect } from "../frame.js";
import type { ChoiceReason, Warning } from "../messages/summary.js";
import type { OverlayRequest, OverlayStyle } from "../overlay/overlay.js";

/** A frame, what was found on it, and what it was explained and is to be drawn with. */
export interface ExplainedFrame {
  frame: Frame;
  explanation: Explanation;
  explainer: Pick<Explainer, "model" | "engine">;
  style: OverlayStyle;
  /** What `explain.when` chose it for; empty of a frame that it did not choose. */
  why: readonly ChoiceReason[];
  /** What to beware of when the explanation is read. */
  warnings: readonly Warning[];
  /** When its batch was begun, in milliseconds of `performance.now()`, and how long that was explained. */
  batch: { startedAt: number; explainMs: number; size: number };
}

/** A frame as the explainer takes it. */
export const explainInput = (
  { memory, layout, truth }: Pick<Frame, "memory" | "layout" | "truth">,
  { interest, ...how }: Pick<ExplainInput, "classifyOnly" | "scale"> & { interest?: Rect },
): ExplainInput => ({
  memory,
  ...modelRows(layout),
  ...how,
  ...(interest && { interest: partOf(layout.placement, interest) }),
  ...(truth?.mask && !how.classifyOnly && { mask: truth.mask.inside }),
});

/** Where a rectangle of the frame lies on the model's input, as shares of its sides; beyond 0..1 the model sees nothing of it. */
const partOf = ({ rect }: Placement, { x, y, width, height }: Rect): ExplainInput["interest"] => ({
  left: (x - rect.x) / rect.width,
  right: (x + width - rect.x) / rect.width,
  top: (y - rect.y) / rect.height,
  bottom: (y + height - rect.y) / rect.height,
});

/** What the renderer is asked to make of it. */
export const overlayRequest = (
  { frame: { memory, layout }, explanation, style }: ExplainedFrame,
  want: OverlayRequest["want"],
): OverlayRequest => ({
  ...{ memory, layout, style, want },
  heatmap: explanation.relevance?.heatmap ?? null,
  caption: explanation.target,
});
