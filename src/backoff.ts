/** How long to wait before each try after a failure. */
export interface Backoff {
  /** Milliseconds before the first try, the second, and so on; the last counts for all that follow. */
  delaysMs: readonly number[];
  /** Share of each delay by which it varies either way, so that many do not come back at one moment. */
  jitter: number;
}

/** Milliseconds to wait before try `attempt` (from 0) after a failure. */
export function backoff(attempt: number, { delaysMs, jitter }: Backoff, random: () => number = Math.random): number {
  const delay = delaysMs[Math.min(attempt, delaysMs.length - 1)] ?? 0;
  return delay * (1 + jitter * (2 * random() - 1));
}
