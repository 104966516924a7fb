/** A picture that is later than the smallest delay by so much tells of a clock that was set, not of a delay. */
const JUMP_MS = 5000;
/** The smallest delay is looked for among the pictures of the last one to two of these. */
const HALF_WINDOW_MS = 10_000;
/** Two pictures of one connection never share an instant. */
const MIN_STEP_MS = 0.001;

/**
 * Says when pictures were captured, one clock a connection, in milliseconds on the clock of `at` (`performance.now()`). A film's pictures
 * follow its first one at the film's own pace. Those of a live stream lie before their coming by as much as they came later than
 * the promptest of the last 10 to 20 s. So none is of the future, times always rise, and neither a step of the stream's clock, nor its
 * drift, nor a delay that stays outlives those 20 s; a step that a delay cannot explain, more than 5 s, counts at once.
 */
export class CaptureClock {
  /** What is to be added to stream time: the smallest of the half window before this one, and of this one so far. */
  #before = Number.POSITIVE_INFINITY;
  #minOffset = Number.POSITIVE_INFINITY;
  #since = Number.NaN;
  #last = Number.NEGATIVE_INFINITY;

  constructor(private readonly live: boolean) {}

  /** `time`: seconds on the stream's clock, rising; `at`: when the picture had come. */
  place(time: number, at: number): number {
    const offset = at - time * 1000;
    if (Number.isNaN(this.#since)) this.#renew(offset, at);
    else if (this.live) this.#look(offset, at);
    const placed = Math.min(this.#before, this.#minOffset) + time * 1000;
    this.#last = Math.max(placed, this.#last + MIN_STEP_MS);
    return this.#last;
  }

  #look(offset: number, at: number): void {
    const age = at - this.#since;
    if (age >= HALF_WINDOW_MS) {
      this.#before = age < 2 * HALF_WINDOW_MS ? this.#minOffset : Number.POSITIVE_INFINITY;
      this.#minOffset = offset;
      this.#since = at;
    }
    this.#minOffset = Math.min(this.#minOffset, offset);
    if (offset - Math.min(this.#before, this.#minOffset) > JUMP_MS) this.#renew(offset, at);
  }

  #renew(offset: number, at: number): void {
    this.#before = Number.POSITIVE_INFINITY;
    this.#minOffset = offset;
    this.#since = at;
  }
}

/** By less, the two readings that are compared may differ of themselves. */
const SET_MS = 5;

/**
 * Unix time of moments of `performance.now()`. The host's clock is looked at each time and its setting followed at once; between two
 * settings, moments keep their distances exactly, and no moment up to now is of the future by more than 5 ms.
 */
export class WallClock {
  #offset: number | undefined;

  constructor(
    private readonly wall: () => number = Date.now,
    private readonly monotonic: () => number = () => performance.now(),
  ) {}

  /** Unix milliseconds. */
  at(moment: number): number {
    // The process may be held up between two readings, which then says nothing of the clock.
    const before = this.monotonic();
    const wall = this.wall();
    const min = wall - this.monotonic();
    const max = wall + 1 - before;
    if (this.#offset === undefined || min - this.#offset > SET_MS || this.#offset - max > SET_MS) this.#offset = min;
    return this.#offset + moment;
  }
}
