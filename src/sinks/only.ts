import type { Only } from "../config/choice.js";

/** What a sink's `only` looks at in a frame. */
export interface TakenFrame {
  /** Of the class on top. */
  label: string;
  probability: number;
  /** The class on top is not that of the frame before, of the same source. */
  changed: boolean;
  /** False where it was only classified. */
  explained: boolean;
}

/** Whether a sink takes a frame: every one without `only`, else one for which any of its conditions holds. */
export const takes = (only: Only | undefined, frame: TakenFrame): boolean =>
  only === undefined ||
  only.labels?.includes(frame.label) === true ||
  (only.below !== undefined && frame.probability < only.below) ||
  (only.changed === true && frame.changed) ||
  (only.explained === true && frame.explained);
