import type { Agreement, NumericTensor } from "../engine.js";

export type Results = Record<string, NumericTensor>;

interface Tolerance {
  /** Least correlation of maps: rounding moves single pixels, a fault moves the map. */
  correlation: number;
  /** Most that the sum of magnitudes of a map, or any of a few numbers, may differ, relative to the largest. */
  apart: number;
}
const TOLERANCES = {
  float32: { correlation: 0.999, apart: 0.02 },
  bfloat16: { correlation: 0.8, apart: 0.3 },
} as const satisfies Record<string, Tolerance>;
/** Outputs of fewer numbers a frame have no correlation worth the name. */
const FEW = 9;

/** Compares results; `fault` says what is wrong with them, undefined where nothing is. */
export function compare(
  got: Results,
  expected: Results,
  precision: keyof typeof TOLERANCES,
): { agreement: Agreement; fault?: string } {
  const tolerance = TOLERANCES[precision];
  const classes = target(expected);
  const sameClass = classes.every((index, n) => index === target(got)[n]);
  const agreement: Agreement = { error: 0, correlation: 1, sameClass };
  let fault =
    sameClass || precision !== "float32" ? undefined : "its class of a picture of noise is not the processor's";
  for (const [name, { data, dims }] of Object.entries(expected)) {
    const numbers = got[name]!.data;
    // Ranks of classes that are nearly as probable change places.
    if (data instanceof BigInt64Array || numbers instanceof BigInt64Array) continue;
    const frames = dims[0] ?? 1;
    const size = data.length / frames;
    for (let n = 0; n < frames; n++) {
      const [ours, theirs] = [numbers, data].map((all) => all.subarray(n * size, (n + 1) * size)) as [Numbers, Numbers];
      const wrong = one(ours, theirs, tolerance, agreement);
      // Of another class, it is another map.
      if (wrong !== undefined && (sameClass || !ours.every(Number.isFinite)))
        fault ??= `its ${name} of a picture of noise is not the processor's: ${wrong}`;
    }
  }
  return fault === undefined ? { agreement } : { agreement, fault };
}

type Numbers = Float32Array | Uint8Array;

/** What is wrong with one frame of an output; undefined where nothing is. Lowers `agreement` where it is a map. */
function one(ours: Numbers, theirs: Numbers, tolerance: Tolerance, agreement: Agreement): string | undefined {
  if (!ours.every(Number.isFinite)) return "numbers that are none";
  const isMap = theirs.length >= FEW;
  const [a, b] = isMap ? [[total(ours)], [total(theirs)]] : [Array.from(ours), Array.from(theirs)];
  const apart = difference(a, b);
  const alike = isMap ? correlation(ours, theirs) : 1;
  // A heatmap of 8 bits is rounded.
  if (isMap && theirs instanceof Float32Array) {
    agreement.error = Math.max(agreement.error, difference(ours, theirs));
    agreement.correlation = Math.min(agreement.correlation, alike);
  }
  if (!(apart <= tolerance.apart)) return `${(100 * apart).toFixed(1)} % apart`;
  return alike >= tolerance.correlation ? undefined : `correlation ${alike.toFixed(3)}`;
}

/** Largest difference, relative to the largest number of `theirs`. */
function difference(ours: ArrayLike<number>, theirs: ArrayLike<number>): number {
  let [apart, largest] = [0, 1e-20];
  for (let k = 0; k < theirs.length; k++) {
    apart = Math.max(apart, Math.abs(theirs[k]! - ours[k]!));
    largest = Math.max(largest, Math.abs(theirs[k]!));
  }
  return apart / largest;
}

function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const n = a.length;
  let [sa, sb, saa, sbb, sab] = [0, 0, 0, 0, 0];
  for (let k = 0; k < n; k++) {
    const [x, y] = [a[k]!, b[k]!];
    sa += x;
    sb += y;
    saa += x * x;
    sbb += y * y;
    sab += x * y;
  }
  const [va, vb] = [saa - (sa * sa) / n, sbb - (sb * sb) / n];
  // Maps without any relevance are alike.
  if (va === 0 && vb === 0) return 1;
  return (sab - (sa * sb) / n) / Math.sqrt(va * vb);
}

const total = (v: Numbers): number => Array.from(v).reduce((sum, x) => sum + Math.abs(x), 0);
const target = (outputs: Results): readonly unknown[] =>
  Array.from((outputs.target ?? outputs.target_index)?.data ?? [], Number);
