/** Ranks from 1; equal values share the mean of theirs. */
function ranks(values: Float32Array): Float64Array {
  // Numbers sort without a comparison of ours many times as fast as their indices with one.
  const sorted = Float32Array.from(values).sort();
  const firstPlace = (isBefore: (other: number) => boolean): number => {
    let [from, to] = [0, sorted.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (isBefore(sorted[middle]!)) from = middle + 1;
      else to = middle;
    }
    return from;
  };
  return Float64Array.from(values, (value) => {
    const smaller = firstPlace((other) => other < value);
    const notLarger = firstPlace((other) => other <= value);
    return (smaller + notLarger + 1) / 2;
  });
}

/** Pearson's correlation. NaN where one of the two is constant. */
function correlation(a: Float64Array, b: Float64Array): number {
  const n = a.length;
  const mean = (v: Float64Array): number => v.reduce((sum, x) => sum + x, 0) / n;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let k = 0; k < n; k++) {
    ab += (a[k]! - ma) * (b[k]! - mb);
    aa += (a[k]! - ma) ** 2;
    bb += (b[k]! - mb) ** 2;
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : Number.NaN;
}

/** Spearman's rank correlation of a map with others, signs as they are. NaN where one of the two is constant. */
export function rankCorrelationWith(map: Float32Array): (other: Float32Array) => number {
  const own = ranks(map);
  return (other) => correlation(own, ranks(other));
}

/**
 * How far a map is from another, `‖R′ − R‖₂ / ‖R‖₂`, both first scaled to `Σ|R| = 1`: the sensitivity of Yeh et al. 2019 for one change
 * of the picture, relative to the map (Quantus `AvgSensitivity` does not scale and divides by the norm of the picture). NaN where one
 * of the two is a map of zeros.
 */
export function relativeChange(from: Float32Array, to: Float32Array): number {
  const l1 = (v: Float32Array): number => v.reduce((sum, x) => sum + Math.abs(x), 0);
  const [sumFrom, sumTo] = [l1(from), l1(to)];
  if (sumFrom === 0 || sumTo === 0) return Number.NaN;
  let [difference, size] = [0, 0];
  for (let k = 0; k < from.length; k++) {
    const [a, b] = [from[k]! / sumFrom, to[k]! / sumTo];
    difference += (b - a) ** 2;
    size += a ** 2;
  }
  return Math.sqrt(difference / size);
}
