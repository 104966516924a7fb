/** Why a captured frame was not published. */
export const DROP_REASONS = [
  "stale",
  "newer-frame",
  "queue-full",
  "decode-error",
  "explain-error",
  "work-queue-full",
  "unanswered",
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
  /** Those that are given out are not among them. */
  inFlight: number;
  /** Given out to other processes and not yet back; absent where none ever is. */
  queued?: number;
}

/** What an explainer answers of a frame that it left out, for this reason. */
export class LeftOutError extends Error {
  override readonly name = "LeftOutError";
  constructor(
    readonly why: DropReason,
    sentence: string,
  ) {
    super(sentence);
  }
}
