/** Seconds by which a stream's clock may lag behind its own last picture without having been set back. */
const BACK = 0.1;
/** A stream's clock that runs ahead of the time that passed by so many seconds was set. */
const JUMP = 5;
/** Cameras give two pictures one time; these are so far apart then. */
const MIN_STEP_SECONDS = 0.001;
/** A film's period where nothing is known of it. */
const USUAL = 0.04;

/**
 * Makes the times of one connection's pictures rise, in seconds: a stream's clock that was set back, or ahead by more than 5 s, goes on from
 * the picture before by the time that passed (on a film: by the usual distance of its pictures), and so does a picture without a
 * time (NaN). All other times stay what they are, but for what was mended before them.
 */
export class StreamTime {
  #shift = 0;
  #last = Number.NaN;
  #lastAt = 0;
  #gap = USUAL;

  constructor(private readonly live: boolean) {}

  /** `time`: as the stream says; `at`: milliseconds, when the picture had come. */
  mend(time: number, at: number): number {
    const mended = this.#mended(time, at);
    if (mended - this.#last < JUMP) this.#gap = mended - this.#last;
    this.#last = mended;
    this.#lastAt = at;
    return mended;
  }

  #mended(time: number, at: number): number {
    const last = this.#last;
    if (Number.isNaN(last)) return Number.isNaN(time) ? 0 : time;
    const next = last + (this.live ? Math.max((at - this.#lastAt) / 1000, MIN_STEP_SECONDS) : this.#gap);
    if (Number.isNaN(time)) return next;
    const shifted = time + this.#shift;
    if (shifted < last - BACK || (this.live && shifted > next + JUMP)) {
      this.#shift = next - time;
      return next;
    }
    return Math.max(shifted, last + MIN_STEP_SECONDS);
  }
}
