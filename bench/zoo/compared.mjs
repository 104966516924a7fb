/** The largest difference over the largest |R|, and the correlation. */
export function compared(a, b) {
  let [largest, error, sa, sb, saa, sbb, sab] = [0, 0, 0, 0, 0, 0, 0];
  for (let k = 0; k < b.length; k++) {
    largest = Math.max(largest, Math.abs(b[k]));
    error = Math.max(error, Math.abs(a[k] - b[k]));
    sa += a[k];
    sb += b[k];
    saa += a[k] * a[k];
    sbb += b[k] * b[k];
    sab += a[k] * b[k];
  }
  const n = b.length;
  return {
    error: error / largest,
    correlation: (sab - (sa * sb) / n) / Math.sqrt((saa - (sa * sa) / n) * (sbb - (sb * sb) / n)),
  };
}
