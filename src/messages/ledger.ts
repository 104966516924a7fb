/** Why a captured frame was not published. */
export const DROP_REASONS = [
  "stale",
  "newer-frame",
  "queue-full",
  "decode-error",
  "explain-error",
  "sink-overflow",
  "shutdown",
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

export interface LedgerSnapshot {
  captured: number;
  explained: number;
  classified: number;
  /** Only reasons that occurred. */
  dropped: Partial<Record<DropReason, number>>;
  inFlight: number;
}
