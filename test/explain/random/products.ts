import { type Block, pick } from "./pick.js";
import type { Tensor, Writer } from "./writer.js";

/** Places as tokens, `[N, H·W, C]`. */
function tokens(w: Writer, x: Tensor): string {
  const rows = w.node("Reshape", [x.name, w.ints(0, x.dims[0], -1)]);
  return w.node("Transpose", [rows], { perm: [0, 2, 1] });
}

/** And back, `channels` of them. */
function picture(w: Writer, name: string, channels: number, [, height, width]: Tensor["dims"]): Tensor {
  const turned = w.node("Transpose", [name], { perm: [0, 2, 1] });
  return w.named(w.node("Reshape", [turned, w.ints(0, channels, height, width)]), [channels, height, width]);
}

const dense = (w: Writer, name: string, from: number, to: number): string =>
  w.node("Add", [w.node("MatMul", [name, w.weights([from, to], from)]), w.weights([to], 4)]);

/** Parts of the first axis, one each. */
const parts = (w: Writer, name: string): string[] =>
  [0, 1, 2].map((k) => {
    const part = w.node("Slice", [name, w.ints(k), w.ints(k + 1), w.ints(0)]);
    return w.node("Squeeze", [part, w.ints(0)]);
  });

/** Scores of tokens, those of others perhaps hidden, of each with itself never. */
function hidden(w: Writer, scores: string, tokens: number, kind: number): string {
  const shown = Array.from({ length: tokens * tokens }, (_, k) => k % (tokens + 1) === 0 || w.random() > 0);
  const mask = (at: (shows: boolean) => number): string => w.constant([tokens, tokens], shown.map(at));
  const boolean = (name: string): string => w.node("Cast", [name], { to: 9 });
  const ways = [
    () => scores,
    () => w.node("Add", [scores, mask((shows) => (shows ? 0.25 : -Infinity))]),
    () => w.node("Where", [boolean(mask((shows) => (shows ? 1 : 0))), scores, w.scalar(-Infinity)]),
    () => w.node("Where", [boolean(mask((shows) => (shows ? 0 : 1))), w.scalar(-1e4), scores]),
  ];
  return pick(ways, kind)();
}

/** `softmax(q kᵀ) v` of `[…, T, d]`, or the same turned, `vᵀ softmax(…)ᵀ`. */
function mixed(
  w: Writer,
  [q, k, v]: readonly string[],
  order: readonly number[],
  turned: boolean,
  mask = (scores: string): string => scores,
): string {
  const flip = (name: string): string => w.node("Transpose", [name], { perm: [...order] });
  const gate = w.node("Softmax", [mask(w.node("MatMul", [q!, flip(k!)]))], { axis: -1 });
  if (!turned) return w.node("MatMul", [gate, v!]);
  return flip(w.node("MatMul", [flip(v!), flip(gate)]));
}

/** Blocks in which two tensors that depend on the picture are multiplied. */
export const PRODUCTS: Record<string, Block> = {
  /** Heads beside the batch, as `qkv.permute(2, 0, 3, 1, 4)` makes them. */
  attention: (w, x, n) => {
    const [c] = x.dims;
    const [heads, d] = [1 + (n[0]! % 2), 1 + (n[1]! % 3)];
    const count = x.dims[1] * x.dims[2];
    const qkv = dense(w, tokens(w, x), c, 3 * heads * d);
    const five = w.node("Reshape", [qkv, w.ints(pick([0, -1], n[2]!), count, 3, heads, d)]);
    const moved = w.node("Transpose", [five], { perm: [2, 0, 3, 1, 4] });
    const mask = (scores: string): string => hidden(w, scores, count, n[5]!);
    const y = mixed(w, parts(w, moved), [0, 1, 3, 2], n[3]! % 2 === 0, mask);
    const back = w.node("Transpose", [y], { perm: [0, 2, 1, 3] });
    const rows = w.node("Reshape", [back, w.ints(pick([0, -1], n[4]!), count, heads * d)]);
    return picture(w, dense(w, rows, heads * d, c), c, x.dims);
  },
  /** Windows in the batch axis, attention inside of each. */
  windows: (w, x, n) => {
    const [c, height, width] = x.dims;
    if (height % 2 || width % 2) return x;
    const [rows, columns] = [height / 2, width / 2];
    const last = w.node("Transpose", [x.name], { perm: [0, 2, 3, 1] });
    const six = w.node("Reshape", [last, w.ints(0, rows, 2, columns, 2, c)]);
    const split = w.node("Reshape", [w.node("Transpose", [six], { perm: [0, 1, 3, 2, 4, 5] }), w.ints(-1, 4, c)]);
    const norm = w.node("LayerNormalization", [split, w.factors([c]), w.weights([c], 2)], { epsilon: 0.1 });
    const qkv = [0, 1, 2].map(() => dense(w, norm, c, 2));
    const y = dense(w, mixed(w, qkv, [0, 2, 1], n[0]! % 2 === 0), 2, c);
    const apart = w.node("Reshape", [y, w.ints(-1, rows, columns, 2, 2, c)]);
    const whole = w.node("Transpose", [apart], { perm: [0, 1, 3, 2, 4, 5] });
    const joined = w.node("Reshape", [whole, w.ints(0, height, width, c)]);
    return w.named(w.node("Transpose", [joined], { perm: [0, 3, 1, 2] }), x.dims);
  },
  linearAttention: (w, x, n) => {
    const [c] = x.dims;
    const rows = tokens(w, x);
    const [q, k] = [0, 1].map(() => w.node("Softplus", [dense(w, rows, c, 2)])) as [string, string];
    const v = dense(w, rows, c, c);
    const context = w.node("MatMul", [w.node("Transpose", [k], { perm: [0, 2, 1] }), v]);
    const product = w.node("MatMul", [q, context]);
    if (n[0]! % 2) return picture(w, product, c, x.dims);
    const all = w.node("Transpose", [w.node("ReduceSum", [k, w.ints(1)])], { perm: [0, 2, 1] });
    const size = w.node("MatMul", [q, all]);
    if (n[1]! % 2) return picture(w, w.node("Div", [product, size]), c, x.dims);
    return picture(w, w.node("Mul", [product, w.node("Reciprocal", [size])]), c, x.dims);
  },
  gatedUnit: (w, x, n) => {
    const [c] = x.dims;
    const [a, b] = [w.conv(x, c, [1, 1]), w.conv(x, c, [1, 1])] as const;
    const bent = pick(["Sigmoid", "Tanh", "Relu", "HardSwish"], n[0]!);
    const gate = w.one(bent, a).name;
    return w.named(w.node("Mul", n[1]! % 2 ? [gate, b.name] : [b.name, gate]), x.dims);
  },
  rootMeanSquare: (w, x, n) => {
    const squares = w.node("ReduceMean", [w.node("Pow", [x.name, w.scalar(2)]), w.ints(pick([1, -1], n[0]!))]);
    const root = w.node("Sqrt", [w.node("Add", [squares, w.scalar(0.1)])]);
    if (n[1]! % 2) return w.named(w.node("Div", [x.name, root]), x.dims);
    return w.named(w.node("Mul", [x.name, w.node("Reciprocal", [root])]), x.dims);
  },
  responseOfChannels: (w, x, n) => {
    const size = w.node("ReduceL2", [x.name, w.ints(2, 3)]);
    const mean = w.node("Add", [w.node("ReduceMean", [size, w.ints(1)]), w.scalar(0.1)]);
    const scaled = w.node("Mul", [x.name, w.node("Div", [size, mean])]);
    const affine = w.node("Add", [
      w.node("Mul", [scaled, w.factors([x.dims[0], 1, 1])]),
      w.weights([x.dims[0], 1, 1], 2),
    ]);
    return w.named(n[0]! % 2 ? affine : w.node("Add", [affine, x.name]), x.dims);
  },
  /** One more channel of constants, repeated for each frame. */
  constantChannel: (w, x, n) => {
    const [c, height, width] = x.dims;
    if (c > 8) return x;
    const batch = w.node("Slice", [w.node("Shape", [x.name]), w.ints(0), w.ints(1), w.ints(0)]);
    const shape = w.node("Concat", [batch, w.ints(1, height, width)], { axis: 0 });
    const constant = w.node("Expand", [w.weights([1, 1, height, width], 2), shape]);
    const name = w.node("Concat", n[0]! % 2 ? [constant, x.name] : [x.name, constant], { axis: 1 });
    return w.named(name, [c + 1, height, width]);
  },
  /** Elements at random places from constants, or from another function of the picture. */
  selected: (w, x, n) => {
    const mask = w.constant(
      [x.dims[1], x.dims[2]],
      Array.from({ length: x.dims[1] * x.dims[2] }, () => (w.random() > 0 ? 1 : 0)),
    );
    const condition = w.node("Cast", [mask], { to: 9 });
    const other = n[0]! % 2 ? w.conv(x, x.dims[0], [1, 1]).name : w.weights([1, 1, 1], 1);
    return w.named(w.node("Where", [condition, ...(n[1]! % 2 ? [other, x.name] : [x.name, other])]), x.dims);
  },
};
