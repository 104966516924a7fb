import { type Block, pick } from "./pick.js";

const EPSILON = [1e-5, 0.1];

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
  instanceNorm: (w, x, n) =>
    w.one(
      "InstanceNormalization",
      x,
      { epsilon: pick(EPSILON, n[0]!) },
      w.factors([x.dims[0]]),
      w.weights([x.dims[0]], 2),
    ),
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
