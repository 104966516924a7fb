/** Longer words are not typing mistakes of a key, and comparing them costs the product of the lengths. */
const MAX_CHARACTERS = 64;

const normalised = (word: string): string => word.toLowerCase().replace(/[-_\s]/g, "");

/** Edits between two words: insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, beforeLast[j - 2]! + 1);
      }
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

/** The known word that `word` was probably meant to be, or undefined. Letter case, `-` and `_` do not count. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > MAX_CHARACTERS) return undefined;
  let best: string | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const distance = editDistance(normalised(word), normalised(candidate));
    const allowed = Math.max(1, Math.floor(Math.min(word.length, candidate.length) / 3));
    if (distance <= allowed && distance < fewest) {
      fewest = distance;
      best = candidate;
    }
  }
  return best;
}
