import { pick } from "./pick.js";
import type { Tensor, Writer } from "./writer.js";

interface Row {
  name: string;
  length: number;
}

const dense = (w: Writer, x: Row, out: number, kind: number): Row => {
  const weight = (dims: number[]): string => w.weights(dims, x.length);
  const bias = (): string => w.weights([out], 4);
  switch (kind % 4) {
    case 0:
      return { name: w.node("Gemm", [x.name, weight([out, x.length]), bias()], { transB: 1 }), length: out };
    case 1:
      return { name: w.node("Gemm", [x.name, weight([x.length, out])], { alpha: { float: 0.5 } }), length: out };
    case 2:
      return {
        name: w.node("Gemm", [x.name, weight([x.length, out]), w.weights([1, out], 4)], { beta: { float: 2 } }),
        length: out,
      };
    default:
      return {
        name: w.node("Add", [w.node("MatMul", [x.name, weight([x.length, out])]), bias()]),
        length: out,
      };
  }
};

/** A target shape that exporters compute from the input's: `[shape(x)[0], −1]`. */
function computedShape(w: Writer, name: string): string {
  const first = w.node("Gather", [w.node("Shape", [name]), w.constant([], [0], "int64")], { axis: 0 });
  return w.node("Concat", [w.node("Unsqueeze", [first, w.ints(0)]), w.ints(-1)], { axis: 0 });
}

const flat = (w: Writer, x: Tensor, n: number[]): Row => {
  const length = x.dims[0] * x.dims[1] * x.dims[2];
  const ways: (() => string)[] = [
    () => w.node("Flatten", [x.name]),
    () => w.node("Reshape", [x.name, w.ints(0, -1)]),
    () => w.node("Reshape", [x.name, w.ints(-1, length)]),
    () => w.node("Reshape", [x.name, computedShape(w, x.name)]),
    ...(w.fixedBatch ? [() => w.node("Reshape", [x.name, w.ints(1, length)])] : []),
  ];
  return { name: pick(ways, n[1]!)(), length };
};

const pooled = (w: Writer, x: Tensor, op: string, n: number[]): Row =>
  flat(w, { name: w.node(op, [x.name]), dims: [x.dims[0], 1, 1] }, n);

type Head = (w: Writer, x: Tensor, classes: number, n: number[]) => string;

/** From a picture to scores `[N, classes]`. */
export const HEADS: Record<string, Head> = {
  flat: (w, x, classes, n) => dense(w, flat(w, x, n), classes, n[0]!).name,
  average: (w, x, classes, n) => dense(w, pooled(w, x, "GlobalAveragePool", n), classes, n[0]!).name,
  maximum: (w, x, classes, n) => dense(w, pooled(w, x, "GlobalMaxPool", n), classes, n[0]!).name,
  mean: (w, x, classes, n) => {
    const name = w.node("ReduceMean", [x.name, w.ints(2, -1)], { keepdims: 0 });
    return dense(w, { name, length: x.dims[0] }, classes, n[0]!).name;
  },
  /** A mean of tokens that keeps its axis, and a scale of its channels. */
  tokens: (w, x, classes, n) => {
    const rows = w.node("Reshape", [x.name, w.ints(0, x.dims[0], -1)]);
    const tokens = n[1]! % 2 ? rows : w.node("Transpose", [rows], { perm: [0, 2, 1] });
    const mean = w.node("ReduceMean", [tokens, w.ints(n[1]! % 2 ? 2 : 1)], { keepdims: 1 });
    const factors = w.factors(n[1]! % 2 ? [x.dims[0], 1] : [x.dims[0]]);
    const scaled = w.node(pick(["Mul", "Add"], n[2]!), [mean, factors]);
    return dense(w, { name: w.node("Flatten", [scaled]), length: x.dims[0] }, classes, n[0]!).name;
  },
  total: (w, x, classes, n) => {
    const name = w.node("ReduceSum", [x.name, w.ints(3, 2)], { keepdims: 0 });
    return dense(w, { name, length: x.dims[0] }, classes, n[0]!).name;
  },
  /** The largest of each channel, or of each row. */
  largest: (w, x, classes, n) => {
    const axes = pick([[2, 3], [1, 3], [-1]], n[1]!);
    const name = w.node("ReduceMax", [x.name, w.ints(...axes)], { keepdims: 1 });
    const dims = x.dims.map((d, k) => (axes.includes(k + 1) || axes.includes(k - 3) ? 1 : d)) as Tensor["dims"];
    return dense(w, flat(w, w.named(name, dims), n), classes, n[0]!).name;
  },
  squeezed: (w, x, classes, n) => {
    const name = w.node("Squeeze", [w.node("GlobalAveragePool", [x.name]), w.ints(2, 3)]);
    return dense(w, { name, length: x.dims[0] }, classes, n[0]!).name;
  },
  convolution: (w, x, classes, n) => pooled(w, w.conv(x, classes, [1, 1]), "GlobalAveragePool", n).name,
  deep: (w, x, classes, n) => {
    const hidden = dense(w, flat(w, x, n), 5, n[0]!);
    const norm = ["g", "b", "m"].map(() => w.weights([5], 2));
    const scaled =
      n[2]! % 2 === 0
        ? w.node("BatchNormalization", [hidden.name, ...norm, w.constant([5], [1, 0.4, 2, 0.7, 1])])
        : hidden.name;
    const name = w.node("Relu", [scaled]);
    const skip = n[3]! % 2 === 0 ? w.node("Add", [name, dense(w, { name, length: 5 }, 5, n[4]!).name]) : name;
    return dense(w, { name: skip, length: 5 }, classes, n[5]!).name;
  },
  scaled: (w, x, classes, n) => {
    const scores = dense(w, pooled(w, x, "GlobalAveragePool", n), classes, n[0]!).name;
    return w.node(pick(["Mul", "Add"], n[2]!), [w.node("Identity", [scores]), w.weights([classes], 1)]);
  },
};

/** What a file may put after its scores. */
export const ENDS: Record<string, (w: Writer, scores: string, classes: number) => string> = {
  none: (_w, scores) => scores,
  softmax: (w, scores) => w.node("Softmax", [scores], { axis: 1 }),
  logSoftmax: (w, scores) => w.node("LogSoftmax", [scores], { axis: -1 }),
  sigmoid: (w, scores) => w.node("Sigmoid", [scores]),
  softmaxReshaped: (w, scores, classes) => {
    const picture = w.node("Reshape", [scores, w.ints(0, classes, 1, 1)]);
    return w.node("Flatten", [w.node("Softmax", [picture], { axis: 1 })]);
  },
};
