import { type Block, pick } from "./pick.js";
import type { Writer } from "./writer.js";

const EPSILON = [1e-5, 0.1];

/** `(x − μ) / σ` in any order of its parts, `σ` a root of the variance with ε inside or outside of it. */
function layerNormOf(w: Writer, x: string, axes: readonly number[], n: readonly number[]): string {
  const mean = (name: string): string => w.node("ReduceMean", [name, w.ints(...axes)]);
  const square = (name: string): string => w.node("Mul", [name, name]);
  const average = mean(x);
  const taken = (of: string): string => w.node("Sub", n[0]! % 3 ? [x, of] : [of, x]);
  const centred = taken(average);
  const variance = pick(
    [
      () => mean(square(centred)),
      () => mean(w.node("Pow", [centred, w.scalar(2)])),
      () => mean(square(taken(mean(x)))),
      () => w.node("Sub", [mean(square(x)), square(average)]),
    ],
    n[1]!,
  )();
  const shifted = w.node("Add", [variance, w.scalar(0.1)]);
  const deviation = pick(
    [
      () => w.node("Sqrt", [shifted]),
      () => w.node("Pow", [shifted, w.scalar(0.5)]),
      () => w.node("Add", [w.node("Sqrt", [shifted]), w.scalar(0.25)]),
    ],
    n[2]!,
  )();
  const inverse = (): string =>
    pick(
      [
        () => w.node("Reciprocal", [deviation]),
        () => w.node("Div", [w.scalar(1), deviation]),
        () => w.node("Pow", [shifted, w.scalar(-0.5)]),
      ],
      n[3]!,
    )();
  return pick(
    [
      () => w.node("Div", [centred, deviation]),
      () => w.node("Mul", [centred, inverse()]),
      () => w.node("Mul", [inverse(), centred]),
      () => w.node("Sub", [w.node("Div", [x, deviation]), w.node("Div", [average, deviation])]),
      () => {
        const by = inverse();
        const scaled = w.node("Mul", [x, by]);
        const offset = w.node("Neg", [w.node("Mul", [average, by])]);
        return w.node("Add", n[5]! % 2 ? [scaled, offset] : [offset, scaled]);
      },
    ],
    n[4]!,
  )();
}

/** Blocks that normalise a frame's own elements. */
export const NORMS: Record<string, Block> = {
  layerNorm: (w, x, n) => {
    const constants = [w.factors([...x.dims]), ...(n[0]! % 2 ? [w.weights([x.dims[2]], 2)] : [])];
    return w.one("LayerNormalization", x, { axis: pick([1, -3], n[1]!), epsilon: pick(EPSILON, n[2]!) }, ...constants);
  },
  /** As ConvNeXt has it: over the channels, between two transpositions. */
  layerNormChannels: (w, x, n) => {
    const last = w.node("Transpose", [x.name], { perm: [0, 2, 3, 1] });
    const [gamma, beta] = [w.factors([x.dims[0]]), w.weights([x.dims[0]], 2)];
    const norm = w.node("LayerNormalization", [last, gamma, beta], { axis: -1, epsilon: pick(EPSILON, n[0]!) });
    return w.named(w.node("Transpose", [norm], { perm: [0, 3, 1, 2] }), x.dims);
  },
  layerNormSpelled: (w, x, n) => {
    const norm = layerNormOf(w, x.name, pick([[1], [2, 3], [1, 2, 3]], n[6]!), n);
    if (n[7]! % 2) return w.named(norm, x.dims);
    const scaled = w.node("Mul", [norm, w.factors([x.dims[0], 1, 1])]);
    return w.named(w.node("Add", [scaled, w.weights([x.dims[0], 1, 1], 2)]), x.dims);
  },
  instanceNorm: (w, x, n) =>
    w.one(
      "InstanceNormalization",
      x,
      { epsilon: pick(EPSILON, n[0]!) },
      w.factors([x.dims[0]]),
      w.weights([x.dims[0]], 2),
    ),
  differenceOfMean: (w, x, n) => {
    const mean = w.node("ReduceMean", [x.name, w.ints(...pick([[1], [2, 3]], n[0]!))]);
    return w.named(w.node("Sub", n[1]! % 2 ? [x.name, mean] : [mean, x.name]), x.dims);
  },
  groupNorm: (w, x, n) => {
    const groups = pick(
      [1, 2, 3, 4].filter((g) => x.dims[0] % g === 0),
      n[0]!,
    );
    const attributes = { num_groups: groups, epsilon: pick(EPSILON, n[1]!) };
    return w.one("GroupNormalization", x, attributes, w.factors([groups]), w.weights([groups], 2));
  },
  responseNorm: (w, x, n) =>
    w.one("LRN", x, {
      size: 1 + (n[0]! % 4),
      alpha: pick([0.5, 0.01], n[1]!),
      beta: 0.75,
      bias: { float: pick([1, 2], n[2]!) },
    }),
};
