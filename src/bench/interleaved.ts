import { median } from "./figures.js";

const WARM_UP = 2;
const MIN_ROUNDS = 5;

export const timed = async <T>(work: () => Promise<T> | T): Promise<{ ms: number; value: T }> => {
  const startedAt = performance.now();
  const value = await work();
  return { ms: performance.now() - startedAt, value };
};

/** Runs A B A B … for so long, five rounds at least, after a warm-up; medians in milliseconds. */
export async function interleaved(
  a: () => Promise<unknown>,
  b: () => Promise<unknown>,
  seconds: number,
  stop: AbortSignal,
) {
  for (let k = 0; k < WARM_UP; k++) {
    await a();
    await b();
  }
  const [as, bs]: [number[], number[]] = [[], []];
  const until = performance.now() + seconds * 1000;
  while ((as.length < MIN_ROUNDS || performance.now() < until) && !stop.aborted) {
    as.push((await timed(a)).ms);
    bs.push((await timed(b)).ms);
  }
  stop.throwIfAborted();
  return { a: median(as), b: median(bs), rounds: as.length };
}
