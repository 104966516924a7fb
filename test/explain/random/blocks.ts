import type { AttributeInput } from "../twin/onnx-writer.js";
import { COPIES } from "./copies.js";
import { NORMS } from "./norms.js";
import { type Block, pick } from "./pick.js";
import { PRODUCTS } from "./products.js";
import { type Tensor, type Writer, windowed } from "./writer.js";

/** A window that fits: kernel at most the padded input, pads smaller than the kernel. */
function window({ dims: [, h, w] }: Tensor, n: number[]): { kernel: number[]; attributes: Record<string, number[]> } {
  const kernel = [1 + (n[0]! % 3), 1 + (n[1]! % 3)];
  const pads = [2, 3, 4, 5].map((k, at) => n[k]! % (kernel[at % 2]! > 1 ? 2 : 1));
  const dilations = [0, 1].map((k) => (n[6]! % 4 === k && [h, w][k]! > 2 * (kernel[k]! - 1) ? 2 : 1));
  const strides = [1 + ((n[7]! >> 1) % 2), 1 + (n[7]! % 3 === 0 ? 1 : 0)];
  const fitted = kernel.map((k, axis) =>
    dilations[axis]! * (k - 1) + 1 > [h, w][axis]! + pads[axis]! + pads[axis + 2]! ? 1 : k,
  );
  const kept = pads.map((p, at) => (fitted[at % 2] === 1 ? 0 : p));
  return { kernel: fitted, attributes: { pads: kept, strides, dilations } };
}

const poolWindow = (x: Tensor, n: number[]): { kernel: number[]; attributes: Record<string, AttributeInput> } => {
  const { kernel, attributes } = window(x, n);
  return { kernel, attributes: { ...attributes, kernel_shape: kernel, ceil_mode: n[6]! % 3 === 1 ? 1 : 0 } };
};

/** Channels of the last axis between two transpositions, as files made from Keras networks do it. */
function lastAxis(w: Writer, x: Tensor, inside: (name: string) => { name: string; channels: number }): Tensor {
  const there = w.node("Transpose", [x.name], { perm: [0, 2, 3, 1] });
  const { name, channels } = inside(there);
  return w.named(w.node("Transpose", [name], { perm: [0, 3, 1, 2] }), [channels, x.dims[1], x.dims[2]]);
}

const gateEnd: Record<string, (w: Writer, name: string) => string> = {
  sigmoid: (w, name) => w.node("Sigmoid", [name]),
  hard: (w, name) => w.node("HardSigmoid", [name], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } }),
  spelled: (w, name) => {
    const clipped = w.node("Clip", [w.node("Add", [name, w.scalar(3)]), w.scalar(0), w.scalar(6)]);
    return w.node("Div", [clipped, w.scalar(6)]);
  },
};

const SELF_GATED: Record<string, (w: Writer, x: string) => string> = {
  silu: (w, x) => w.node("Mul", [x, w.node("Sigmoid", [x])]),
  siluTurned: (w, x) => w.node("Mul", [w.node("Sigmoid", [x]), x]),
  gelu: (w, x) => {
    const e = w.node("Erf", [w.node("Div", [x, w.scalar(Math.SQRT2)])]);
    return w.node("Mul", [w.node("Mul", [x, w.node("Add", [e, w.scalar(1)])]), w.scalar(0.5)]);
  },
  geluByTanh: (w, x) => {
    const cube = w.node("Mul", [w.node("Pow", [x, w.scalar(3)]), w.scalar(0.044715)]);
    const inner = w.node("Mul", [w.node("Add", [x, cube]), w.scalar(Math.sqrt(2 / Math.PI))]);
    return w.node("Mul", [w.node("Mul", [x, w.scalar(0.5)]), w.node("Add", [w.node("Tanh", [inner]), w.scalar(1)])]);
  },
  hardSwish: (w, x) => w.node("Mul", [x, gateEnd.spelled!(w, x)]),
  hardSwishLate: (w, x) => {
    const clipped = w.node("Clip", [w.node("Add", [x, w.scalar(3)]), w.scalar(0), w.scalar(6)]);
    return w.node("Div", [w.node("Mul", [x, clipped]), w.scalar(6)]);
  },
};

const SPELLED: Record<string, (w: Writer, x: string) => string> = {
  siluByQuotient: (w, x) => w.node("Div", [x, w.node("Add", [w.node("Exp", [w.node("Neg", [x])]), w.scalar(1)])]),
  softsign: (w, x) => w.node("Div", [x, w.node("Add", [w.node("Abs", [x]), w.scalar(1)])]),
  mish: (w, x) => w.node("Mul", [w.node("Tanh", [w.node("Softplus", [x])]), x]),
  leakyByMaximum: (w, x) => w.node("Max", [x, w.node("Mul", [x, w.scalar(0.25)])]),
  lessItsTanh: (w, x) => w.node("Sub", [x, w.node("Mul", [w.node("Tanh", [x]), w.scalar(0.5)])]),
};

const ACTIVATIONS: [string, Record<string, AttributeInput>][] = [
  ["Relu", {}],
  ["LeakyRelu", { alpha: 0.2 }],
  ["Elu", {}],
  ["Selu", {}],
  ["Celu", { alpha: 0.5 }],
  ["Tanh", {}],
  ["Sigmoid", {}],
  ["HardSwish", {}],
  ["HardSigmoid", {}],
  ["Softplus", {}],
  ["Softsign", {}],
  ["Mish", {}],
];

const perChannel = (w: Writer, x: Tensor, offset: number): string => w.weights([x.dims[0], 1, 1], 2, offset);

/** Blocks that keep a picture a picture; one line adds one. */
export const BLOCKS: Record<string, Block> = {
  ...COPIES,
  ...NORMS,
  ...PRODUCTS,
  conv: (w, x, n) => {
    const { kernel, attributes } = window(x, n);
    return w.conv(x, 1 + (n[8]! % 5), kernel, attributes, n[9]! % 2 === 0);
  },
  convSame: (w, x, n) =>
    w.conv(x, 1 + (n[0]! % 4), [1 + (n[1]! % 3), 1 + (n[2]! % 4)], {
      auto_pad: pick(["SAME_UPPER", "SAME_LOWER"], n[3]!),
      strides: [1 + (n[4]! % 2), 1 + (n[5]! % 3)],
    }),
  convPointwise: (w, x, n) => w.conv(x, 1 + (n[0]! % 5), [1, 1], { strides: [1 + (n[1]! % 3), 1 + (n[2]! % 2)] }),
  convDepthwise: (w, x, n) => {
    const { kernel, attributes } = window(x, n);
    return w.conv(x, x.dims[0] * (1 + (n[8]! % 2)), kernel, { ...attributes, group: x.dims[0] });
  },
  convGrouped: (w, x, n) => {
    const groups = pick(
      [1, 2, 3, 4].filter((g) => x.dims[0] % g === 0),
      n[8]!,
    );
    const { kernel, attributes } = window(x, n);
    return w.conv(x, groups * (1 + (n[9]! % 2)), kernel, { ...attributes, group: groups }, n[10]! % 2 === 0);
  },
  activation: (w, x, n) => w.one(...([pick(ACTIVATIONS, n[0]!)[0], x, pick(ACTIVATIONS, n[0]!)[1]] as const)),
  relu: (w, x) => w.one("Relu", x),
  clip: (w, x, n) => w.one("Clip", x, {}, w.scalar(pick([0, -0.5], n[0]!)), w.scalar(pick([6, 0.7], n[1]!))),
  prelu: (w, x) => w.one("PRelu", x, {}, perChannel(w, x, 0.5)),
  selfGated: (w, x, n) => w.named(pick(Object.values(SELF_GATED), n[0]!)(w, x.name), x.dims),
  spelled: (w, x, n) => w.named(pick(Object.values(SPELLED), n[0]!)(w, x.name), x.dims),
  maxPool: (w, x, n) => {
    const { kernel, attributes } = poolWindow(x, n);
    return w.named(w.node("MaxPool", [x.name], attributes), [x.dims[0], ...windowed(x, kernel, attributes)]);
  },
  maxPoolTiled: (w, x, n) => {
    const kernel = [Math.min(x.dims[1], 1 + (n[0]! % 3)), Math.min(x.dims[2], 1 + (n[1]! % 3))];
    const attributes = { kernel_shape: kernel, strides: kernel };
    return w.named(w.node("MaxPool", [x.name], attributes), [x.dims[0], ...windowed(x, kernel, attributes)]);
  },
  averagePool: (w, x, n) => {
    const { kernel, attributes } = poolWindow(x, n);
    const { dilations: _, ...known } = attributes;
    const given = { ...known, count_include_pad: n[8]! % 2 };
    return w.named(w.node("AveragePool", [x.name], given), [x.dims[0], ...windowed(x, kernel, given)]);
  },
  skip: (w, x, n) => {
    const inner = w.conv(x, x.dims[0], [3, 3], { pads: [1, 1, 1, 1] }, n[0]! % 2 === 0);
    const bent = n[1]! % 3 === 0 ? inner : w.one("Relu", inner);
    const inputs = n[2]! % 2 === 0 ? [x.name, bent.name] : [bent.name, x.name];
    return w.named(w.node("Add", inputs), x.dims);
  },
  /** Adds whatever has the same dims. */
  sum: (w, x, n) => {
    const alike = w.made.filter((t) => t.dims.join() === x.dims.join());
    const inputs = [x, pick(alike, n[0]!), ...(n[1]! % 2 === 0 ? [pick(alike, n[2]!)] : [])].map((t) => t.name);
    return w.named(w.node(inputs.length > 2 || n[3]! % 2 ? "Sum" : "Add", inputs), x.dims);
  },
  /** Takes away whatever has the same dims. */
  difference: (w, x, n) => {
    const alike = w.made.filter((t) => t.dims.join() === x.dims.join() && t.name !== x.name);
    if (alike.length === 0) return x;
    const inputs = [x.name, pick(alike, n[0]!).name];
    const less = w.named(w.node("Sub", n[1]! % 2 ? inputs : inputs.toReversed()), x.dims);
    return n[2]! % 3 ? w.one("Relu", less) : less;
  },
  concat: (w, x, n) => {
    const alike = w.made.filter((t) => t.dims[1] === x.dims[1] && t.dims[2] === x.dims[2]);
    const parts = [x, pick(alike, n[0]!), ...(n[1]! % 3 === 0 ? [pick(alike, n[2]!)] : [])];
    const channels = parts.reduce((total, t) => total + t.dims[0], 0);
    if (channels > 12) return x;
    const name = w.node(
      "Concat",
      parts.map((t) => t.name),
      { axis: pick([1, -3], n[3]!) },
    );
    return w.named(name, [channels, x.dims[1], x.dims[2]]);
  },
  /** Two branches over parts of the channels, one of them perhaps unused. */
  split: (w, x, n) => {
    if (x.dims[0] < 2) return x;
    const first = 1 + (n[0]! % (x.dims[0] - 1));
    const sizes = [first, x.dims[0] - first];
    w.node("Split", [x.name, w.ints(...sizes)], { axis: 1 }, 2);
    const [a, b] = w.nodes.at(-1)!.outputs.map((name, k) => w.named(name, [sizes[k]!, x.dims[1], x.dims[2]])) as [
      Tensor,
      Tensor,
    ];
    w.made.push(a, b);
    if (n[1]! % 3 === 0) return pick([a, b], n[2]!);
    const through = w.conv(a, a.dims[0], [1, 1]);
    const order = n[2]! % 2 ? [b.name, through.name] : [through.name, b.name];
    return w.named(w.node("Concat", order, { axis: 1 }), x.dims);
  },
  slice: (w, x, n) => {
    const axis = n[0]! % 3;
    const from = n[1]! % x.dims[axis]!;
    const to = from + 1 + (n[2]! % (x.dims[axis]! - from));
    const dims = x.dims.map((d, k) => (k === axis ? to - from : d)) as Tensor["dims"];
    const end = n[3]! % 2 === 0 || to === x.dims[axis] ? (to === x.dims[axis] ? 1e9 : to) : to - x.dims[axis]!;
    return w.named(w.node("Slice", [x.name, w.ints(from), w.ints(end), w.ints(axis + 1)]), dims);
  },
  pad: (w, x, n) => {
    const [top, left, bottom, right] = n.map((v) => v % 2) as [number, number, number, number];
    const value = pick([0, 0.5, -1], n[4]!);
    const pads = w.ints(0, 0, top, left, 0, 0, bottom, right);
    const name = w.node("Pad", [x.name, pads, w.scalar(value)]);
    return w.named(name, [x.dims[0], x.dims[1] + top + bottom, x.dims[2] + left + right]);
  },
  shuffle: (w, x, n) => {
    const groups = pick(
      [1, 2, 3, 4].filter((g) => x.dims[0] % g === 0),
      n[0]!,
    );
    const [c, h, width] = x.dims;
    const apart = w.node("Reshape", [x.name, w.ints(pick([0, -1], n[1]!), groups, c / groups, h, width)]);
    const turned = w.node("Transpose", [apart], { perm: [0, 2, 1, 3, 4] });
    return w.named(w.node("Reshape", [turned, w.ints(0, -1, h, width)]), x.dims);
  },
  squeezeExcite: (w, x, n) => {
    const squeezed =
      n[0]! % 2 === 0
        ? w.node("GlobalAveragePool", [x.name])
        : w.node("ReduceMean", [x.name, w.ints(2, 3)], { keepdims: 1 });
    const hidden = w.one("Relu", w.conv(w.named(squeezed, [x.dims[0], 1, 1]), 2, [1, 1]));
    const gate = pick(Object.values(gateEnd), n[1]!)(w, w.conv(hidden, x.dims[0], [1, 1]).name);
    return w.named(w.node("Mul", n[2]! % 2 ? [gate, x.name] : [x.name, gate]), x.dims);
  },
  spatialGate: (w, x, n) => {
    const gate = pick(Object.values(gateEnd), n[0]!)(w, w.conv(x, 1, [1, 1]).name);
    return w.named(w.node("Mul", n[1]! % 2 ? [gate, x.name] : [x.name, gate]), x.dims);
  },
  batchNorm: (w, x, n) => {
    const [c] = x.dims;
    const variance = Array.from({ length: c }, () => 0.3 + Math.abs(w.random()));
    const [gamma, beta, mean] = [w.factors([c]), w.weights([c], 4), w.weights([c], 4)] as const;
    const epsilon = pick([1e-5, 0.5], n[0]!);
    return w.one("BatchNormalization", x, { epsilon }, gamma, beta, mean, w.constant([c], variance));
  },
  scale: (w, x, n) => {
    const op = pick(["Mul", "Div", "Add", "Sub"], n[0]!);
    const offset = op === "Div" ? 3 : 0;
    const dims = n[1]! % 3 === 0 ? [] : [x.dims[0], 1, 1];
    const constant = op === "Mul" ? w.factors(dims) : w.weights(dims, 2, offset);
    if (op === "Div" || n[2]! % 2 === 0) return w.one(op, x, {}, constant);
    return w.named(w.node(op, [constant, x.name]), x.dims);
  },
  /** A constant that differs from place to place: cannot be folded. */
  scalePlaces: (w, x, n) => w.one(pick(["Mul", "Add"], n[0]!), x, {}, w.factors([1, ...x.dims])),
  negate: (w, x) => w.one("Neg", x),
  matMulChannels: (w, x, n) => {
    const channels = 1 + (n[0]! % 4);
    return lastAxis(w, x, (name) => {
      const z = w.node("MatMul", [name, w.weights([x.dims[0], channels], x.dims[0])]);
      return { name: n[1]! % 2 ? z : w.node("Add", [z, w.weights([channels], 4)]), channels };
    });
  },
  scaleLast: (w, x, n) =>
    lastAxis(w, x, (name) => {
      const op = pick(["Mul", "Add"], n[0]!);
      const constant = op === "Mul" ? w.factors([x.dims[0]]) : w.weights([x.dims[0]], 2);
      return { name: w.node(op, [name, constant]), channels: x.dims[0] };
    }),
};
