const STEPS: readonly (readonly [tries: number, seconds: number])[] = [
  [5, 1],
  [5, 5],
  [10, 10],
];
const LAST_SECONDS = 60;
/** Spread of each delay, so that many sources do not come back at one moment. */
const JITTER = 0.2;

/** Milliseconds to wait before try `attempt` (from 0) after a failure: 1 s five times, 5 s five times, 10 s ten times, then 60 s. */
export function backoff(attempt: number, random: () => number = Math.random): number {
  let seconds = LAST_SECONDS;
  let before = 0;
  for (const [tries, each] of STEPS) {
    before += tries;
    if (attempt < before) {
      seconds = each;
      break;
    }
  }
  return seconds * 1000 * (1 + JITTER * (2 * random() - 1));
}
