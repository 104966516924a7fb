import { backoff } from "../backoff.js";

/** How long a source's supervision waits, in milliseconds. What depends on its `stallSeconds` too is among its `Limits`. */
export interface Timing {
  /** Before try `attempt` (from 0) after a failure. */
  delay(attempt: number): number;
  /** So long with frames and the failures before are forgotten: a camera that wakes for seconds only is not left for a minute. */
  settledMs: number;
  /** For the first frame of a connection, at least so long: cameras may send a whole picture every ten seconds only. */
  connectMs: number;
  /** At least so long for the look at a stream before it is decoded. */
  probeMs: number;
  /** The same picture for at least so long is frozen. */
  frozenMs: number;
  /** How often silence is looked for. */
  tickMs: number;
  /** Between SIGTERM and SIGKILL. */
  graceMs: number;
  /** From one start of a looping film to the next, at least. */
  loopMs: number;
  /** A connection whose picture takes other proportions lives at least so long before it begins anew. */
  reshapeMs: number;
}

/** 1 s five times, 5 s five times, 10 s ten times, then 60 s. */
export const RECONNECT = {
  delaysMs: [...Array(5).fill(1000), ...Array(5).fill(5000), ...Array(10).fill(10_000), 60_000],
  jitter: 0.2,
};

export const TIMING: Timing = {
  delay: (attempt) => backoff(attempt, RECONNECT),
  settledMs: 2000,
  connectMs: 20_000,
  probeMs: 20_000,
  frozenMs: 5000,
  tickMs: 1000,
  graceMs: 2000,
  loopMs: 1000,
  reshapeMs: 10_000,
};

/** All that follows from the silence that a source is allowed, in milliseconds. */
export interface Limits {
  /** Without a further frame: stalled. */
  stallMs: number;
  /** For the first frame of a connection. */
  connectMs: number;
  /** For one look at a stream. */
  probeMs: number;
  frozenMs: number;
}

/** Default of `stallSeconds`; a longer one makes all limits grow in proportion. */
const USUAL_STALL_SECONDS = 10;
/** Longer than ours, or it would connect anew behind a source that looks live. */
const FFMPEG_SILENCE_SECONDS = 12;

const growth = (stallSeconds: number): number => Math.max(1, stallSeconds / USUAL_STALL_SECONDS);

export function limitsOf(stallSeconds: number, { connectMs, probeMs, frozenMs }: Timing): Limits {
  const stallMs = stallSeconds * 1000;
  const factor = growth(stallSeconds);
  return {
    stallMs,
    connectMs: Math.max(stallMs, connectMs * factor),
    probeMs: probeMs * factor,
    frozenMs: frozenMs * factor,
  };
}

/** ffmpeg's options count no further. */
const MAX_TIMEOUT_US = 2 ** 31 - 1;

/** How long ffmpeg itself waits for a silent sender, in microseconds, as its options take it. */
export const silenceMicroseconds = (stallSeconds: number): string =>
  String(Math.min(Math.round(FFMPEG_SILENCE_SECONDS * 1e6 * growth(stallSeconds)), MAX_TIMEOUT_US));
