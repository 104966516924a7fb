import { backoff } from "./backoff.js";

/** How long a source's supervision waits, in milliseconds. */
export interface Timing {
  /** Before try `attempt` (from 0) after a failure. */
  delay(attempt: number): number;
  /** So long with frames and the failures before are forgotten. */
  settledMs: number;
  /** At least so long for the first frame of a connection: cameras may send a whole picture every ten seconds only. */
  connectMs: number;
  /** So long for the look at a stream before it is decoded. */
  probeMs: number;
  /** The same picture for so long is frozen. */
  frozenMs: number;
  /** How often silence is looked for. */
  tickMs: number;
  /** Between SIGTERM and SIGKILL. */
  graceMs: number;
  /** From one start of a looping film to the next, at least. */
  loopMs: number;
}

export const TIMING: Timing = {
  delay: backoff,
  settledMs: 10_000,
  connectMs: 20_000,
  probeMs: 20_000,
  frozenMs: 5000,
  tickMs: 1000,
  graceMs: 2000,
  loopMs: 1000,
};
