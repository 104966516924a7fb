/** A live stream whose clock left ours by so much has jumped. */
const JUMP_MS = 5000;

/**
 * Turns stream time into wall-clock time, one clock an epoch: the wall clock of the first frame plus the stream time
 * since. On a live stream no frame can be of the future: one that would be shows that the frames before it came late, so
 * the clock is set by it; and when the stream's clock jumps, it is set anew. Never runs backwards.
 */
export class CaptureClock {
  #offset: number | undefined;
  #last = Number.NEGATIVE_INFINITY;

  constructor(private readonly live: boolean) {}

  /** Unix milliseconds when the frame of stream time `pts` (seconds) was captured, having come at `now`. */
  stamp(pts: number, now: number): number {
    const offset = now - pts * 1000;
    this.#offset ??= offset;
    if (this.live && (offset < this.#offset || offset - this.#offset > JUMP_MS)) this.#offset = offset;
    this.#last = Math.max(this.#last, this.#offset + pts * 1000);
    return this.#last;
  }
}
