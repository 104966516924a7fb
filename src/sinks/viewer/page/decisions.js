/** Decisions that the worker keeps, by source. Times are on the worker's clock, in ms. */
const kept = new Map();

/** Takes in news, or with `isAll` everything there is. */
export function takeDecisions(news, isAll) {
  if (isAll) kept.clear();
  for (const { key, added, removed } of news) {
    const gone = new Set(removed);
    const rows = [...(kept.get(key) ?? []), ...added].filter(({ id }) => !gone.has(id));
    kept.set(
      key,
      rows.sort((a, b) => a.at - b.at),
    );
  }
}

export const forgetDecisions = (key) => kept.delete(key);

/** Of one source, oldest first; the same array until something comes or goes. */
export const decisionsOf = (key) => kept.get(key) ?? NONE;
const NONE = [];

/** The one that is nearest to a moment, or undefined. */
export const decisionAt = (key, at) =>
  decisionsOf(key).reduce(
    (best, one) => (best && Math.abs(best.at - at) <= Math.abs(one.at - at) ? best : one),
    undefined,
  );
