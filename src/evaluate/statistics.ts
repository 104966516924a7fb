/** Of the numbers among the values; those that are none count as not measured. */
export interface Estimate {
  /** Null where nothing was measured. */
  mean: number | null;
  /** Of the mean: standard deviation (n − 1) over √n. Null below two values. */
  standardError: number | null;
  count: number;
}

export function estimate(values: readonly number[]): Estimate {
  const measured = values.filter((v) => !Number.isNaN(v));
  const count = measured.length;
  if (count === 0) return { mean: null, standardError: null, count };
  const mean = measured.reduce((sum, v) => sum + v, 0) / count;
  if (count === 1) return { mean, standardError: null, count };
  const variance = measured.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (count - 1);
  return { mean, standardError: Math.sqrt(variance / count), count };
}

/** Of the differences of two methods on the same images, where both were measured. */
export const pairedDifference = (a: readonly number[], b: readonly number[]): Estimate =>
  estimate(a.map((v, k) => v - b[k]!));
