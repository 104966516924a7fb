/** Numbers of `[0, 1)` that follow from a few whole numbers alone: mulberry32 (Tommy Ettinger, public domain). */
export function uniform(...seeds: readonly number[]): () => number {
  let state = seeds.reduce((hash, seed) => Math.imul(hash ^ seed, 0x9e3779b1) ^ (hash >>> 15), 0x85ebca6b);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal numbers likewise (Box and Muller 1958). */
export function normal(...seeds: readonly number[]): () => number {
  const next = uniform(...seeds);
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** The same items in an order that follows from the numbers. */
export function shuffled<T>(items: readonly T[], next: () => number): T[] {
  const all = [...items];
  for (let k = all.length - 1; k > 0; k--) {
    const at = Math.floor(next() * (k + 1));
    [all[k], all[at]] = [all[at]!, all[k]!];
  }
  return all;
}
