const PERIOD_MS = 600_000;

/** Logs a repeated fault the first time, and after that at most every ten minutes with how often it happened. */
export class RateLimitedLog {
  readonly #last = new Map<string, { at: number; times: number }>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Calls `say` with how often this kind of thing has happened since it was last logged, this time included. */
  happened(kind: string, say: (times: number) => void): void {
    const last = this.#last.get(kind);
    const times = (last?.times ?? 0) + 1;
    if (last && this.now() - last.at < PERIOD_MS) {
      last.times = times;
      return;
    }
    this.#last.set(kind, { at: this.now(), times: 0 });
    say(times);
  }
}
