/** In units of one small message. The page itself sends 20 a second at most, beside what it acknowledges. */
const LIMITS = { atOnce: 2_000, perSecond: 200 };

/** What a browser may ask for: much at once, little for ever. `spend` is false when it has asked for more. */
export function createRateLimiter(now: () => number = () => performance.now()) {
  let left = LIMITS.atOnce;
  let at = now();
  return {
    spend(units: number): boolean {
      const time = now();
      left = Math.min(LIMITS.atOnce, left + ((time - at) / 1000) * LIMITS.perSecond) - units;
      at = time;
      return left >= 0;
    },
  };
}

export type RateLimiter = ReturnType<typeof createRateLimiter>;
