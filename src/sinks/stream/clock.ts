const LIMITS = {
  /** Two pictures of a stream never share an instant; the coarsest clock, of RTMP, counts milliseconds. */
  stepMs: 1,
  /** What comes before the last picture by more than this, or behind it by more where it is live, follows it by `jumpMs`. */
  backMs: 2_000,
  aheadMs: 10_000,
  jumpMs: 40,
};

export interface PictureTime {
  /** Unix ms of its capture. */
  at: number;
  /** Of the source's connection. */
  epoch: number;
  isLive: boolean;
}

/**
 * Times of the pictures of one stream, whole milliseconds from 0 and rising: they keep the distances of their capture. A film that begins again, and a
 * clock that was set, leave neither a gap nor a step back.
 */
export function createStreamClock() {
  let offset: number | undefined;
  let last = -LIMITS.stepMs;
  let lastEpoch: number | undefined;

  return ({ at: exact, epoch, isLive }: PictureTime): number => {
    const at = Math.round(exact);
    offset ??= -at;
    const time = at + offset;
    const isAnew = epoch !== lastEpoch && time <= last;
    const jumps = isAnew || time < last - LIMITS.backMs || (isLive && time > last + LIMITS.aheadMs);
    lastEpoch = epoch;
    if (jumps) offset = last + LIMITS.jumpMs - at;
    last = Math.max(last + LIMITS.stepMs, at + offset);
    return last;
  };
}
