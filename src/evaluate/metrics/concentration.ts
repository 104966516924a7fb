const sortedMagnitudes = (map: Float32Array): Float32Array => map.map(Math.abs).sort();
const total = (values: Float32Array): number => values.reduce((sum, v) => sum + v, 0);

/** The most relevant pixels that `topShare` looks at. */
const TOP = 0.01;

/** Share of `Σ|R|` in the hundredth of the pixels with the largest `|R|`. 0 for a map of zeros. */
export function topShare(map: Float32Array): number {
  const sorted = sortedMagnitudes(map);
  const sum = total(sorted);
  return sum > 0 ? total(sorted.subarray(-Math.max(1, Math.round(map.length * TOP)))) / sum : 0;
}

/**
 * Sparseness (Chalasani et al. 2020; Quantus `Sparseness`): the Gini index of `|R|`, `Σ_i (2i − n − 1) r_i / (n Σ r)` with r in rising
 * order: 0 where all pixels are equal, near 1 where one has all. 0 for a map of zeros.
 */
export function sparseness(map: Float32Array): number {
  const sorted = sortedMagnitudes(map);
  const sum = total(sorted);
  if (sum === 0) return 0;
  return sorted.reduce((gini, v, k) => gini + (2 * (k + 1) - map.length - 1) * v, 0) / (map.length * sum);
}

/** Complexity (Bhatt, Weller and Moura 2020; Quantus `Complexity`): entropy of `|R| / Σ|R|` in nats. NaN for a map of zeros. */
export function complexity(map: Float32Array): number {
  const sum = total(map.map(Math.abs));
  if (sum === 0) return Number.NaN;
  return map.reduce(
    (entropy, v) => (v === 0 ? entropy : entropy - (Math.abs(v) / sum) * Math.log(Math.abs(v) / sum)),
    0,
  );
}
