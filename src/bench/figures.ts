/** A sample of durations, in milliseconds. */
export interface Percentiles {
  count: number;
  mean: number;
  p50: number;
  p99: number;
  max: number;
}

export const rounded = (value: number, digits = 3): number => Number(value.toFixed(digits));

/** Nearest-rank percentile of an ascending list. */
const rank = (sorted: readonly number[], share: number): number =>
  sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Null of an empty sample. */
export function percentiles(values: readonly number[]): Percentiles | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return {
    count: sorted.length,
    mean: rounded(sorted.reduce((sum, v) => sum + v, 0) / sorted.length),
    p50: rounded(rank(sorted, 0.5)),
    p99: rounded(rank(sorted, 0.99)),
    max: rounded(sorted.at(-1)!),
  };
}
