import type { Relevance } from "../explain/explanation.js";
import type { Warning } from "../messages/summary.js";

/** Shares of the relevance beyond which a frame is warned of. */
export interface WarningLimits {
  border: number;
  fewPixels: number;
  outside: number;
}

/** Relevance flows back to the picture at all. */
export const flows = ({ positive, negative }: Relevance): boolean => positive !== 0 || negative !== 0;

/** What a reader should know before trusting the explanation of a frame. */
export function warningsOf(relevance: Relevance, limits: WarningLimits, isDrifting: boolean): Warning[] {
  if (!flows(relevance)) return ["no-relevance"];
  const { border, peakShare, inside } = relevance;
  const warnings: Warning[] = [];
  if (border > limits.border) warnings.push("border");
  if (peakShare > limits.fewPixels) warnings.push("few-pixels");
  if (inside !== undefined && 1 - inside > limits.outside) warnings.push("outside");
  if (isDrifting) warnings.push("drift");
  return warnings;
}
