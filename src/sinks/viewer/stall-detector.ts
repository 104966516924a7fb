const LIMITS = { bytes: 4 * 1024 * 1024, stuckMs: 10_000 };

/** Watches what is unsent to one browser; true once much of it has not become less for 10 s. */
export function createStallDetector(now: () => number = () => performance.now()) {
  let fewestBytes = Infinity;
  let since = 0;
  return {
    isStuck(bytes: number): boolean {
      if (bytes <= LIMITS.bytes) fewestBytes = Infinity;
      else if (bytes < fewestBytes) {
        fewestBytes = bytes;
        since = now();
      }
      return fewestBytes < Infinity && now() - since > LIMITS.stuckMs;
    },
  };
}

export type StallDetector = ReturnType<typeof createStallDetector>;
