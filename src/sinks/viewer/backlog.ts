const LIMITS = { bytes: 4 * 1024 * 1024, stuckMs: 10_000 };

/** Watches what is unsent to one browser; true once much of it has not become less for 10 s. */
export function createBacklog(now: () => number = () => performance.now()) {
  let least = Infinity;
  let since = 0;
  return {
    isStuck(bytes: number): boolean {
      if (bytes <= LIMITS.bytes) least = Infinity;
      else if (bytes < least) {
        least = bytes;
        since = now();
      }
      return least < Infinity && now() - since > LIMITS.stuckMs;
    },
  };
}

export type Backlog = ReturnType<typeof createBacklog>;
