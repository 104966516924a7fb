import { Emitter, type Value } from "../../../src/explain/program/emitter.js";
import type { Attribute, ElementKind, Program } from "../../../src/explain/program/program.js";

/** One operation on random tensors, as both engines are to run it. */
export interface OperationCase {
  op: string;
  title: string;
  dims: readonly (readonly number[])[];
  /** Further inputs behind the random ones; undefined leaves one out. */
  constants?: readonly ((e: Emitter) => Value)[];
  attributes?: Record<string, Attribute>;
  outputs?: number;
  /** Makes every value larger than 0. */
  positive?: boolean;
  /** The second tensor is a constant, as weights are. */
  weight?: boolean;
}

const PLANES = [2, 4, 6, 7] as const;
const int = (v: number): Attribute => ({ int: v });
const ints = (...v: number[]): Attribute => ({ ints: v });
const given =
  (...values: number[]) =>
  (e: Emitter): Value =>
    e.ints(values);
const number =
  (value: number) =>
  (e: Emitter): Value =>
    e.number(value);
const none = (): Value => "";

const unary = (op: string, more: Partial<OperationCase> = {}): OperationCase => ({
  op,
  title: "planes",
  dims: [PLANES],
  ...more,
});
const binary = (op: string): OperationCase[] => [
  { op, title: "equal dims", dims: [PLANES, PLANES] },
  { op, title: "a value a channel", dims: [PLANES, [1, 4, 1, 1]] },
  { op, title: "a plane of lower rank", dims: [PLANES, [6, 7]] },
];
const reduce = (op: string): OperationCase[] => [
  { op, title: "planes, axes kept", dims: [PLANES], constants: [given(2, 3)], positive: true },
  { op, title: "frames", dims: [PLANES], constants: [given(1, 2, 3)], attributes: { keepdims: int(0) } },
  { op, title: "rows, dropped", dims: [PLANES], constants: [given(2)], attributes: { keepdims: int(0) } },
];
const window = (
  kernel: number[],
  strides: number[],
  pads: number[],
  dilations = [1, 1],
): Record<string, Attribute> => ({
  kernel_shape: ints(...kernel),
  strides: ints(...strides),
  pads: ints(...pads),
  dilations: ints(...dilations),
});
const conv = (op: string, title: string, weight: number[], attributes: Record<string, Attribute>): OperationCase => ({
  op,
  title,
  dims: [PLANES, weight],
  weight: true,
  attributes,
});
const scales =
  (...v: number[]) =>
  (e: Emitter): Value =>
    e.tensor(Float32Array.from(v), [v.length]);
const resize = (mode: string, transform: string, nearest: string, ...by: number[]): OperationCase => ({
  op: "Resize",
  title: `${mode} ${transform} ${nearest} by ${by.join("x")}`,
  dims: [PLANES],
  constants: [none, scales(1, 1, ...by)],
  attributes: {
    mode: { text: mode },
    coordinate_transformation_mode: { text: transform },
    nearest_mode: { text: nearest },
  },
});

export const CASES: readonly OperationCase[] = [
  ...["Identity", "Abs", "Neg", "Sign", "Exp", "Round", "Floor", "Ceil", "Sin", "Cos"].map((op) => unary(op)),
  ...["Sqrt", "Log", "Reciprocal"].map((op) => unary(op, { positive: true })),
  ...["Relu", "Sigmoid", "Tanh", "Erf", "Softplus", "Softsign", "Mish", "HardSwish", "HardSigmoid"].map((op) =>
    unary(op),
  ),
  ...["Elu", "Celu", "Selu", "LeakyRelu", "ThresholdedRelu"].map((op) => unary(op)),
  unary("Elu", { title: "of another alpha", attributes: { alpha: { float: 0.3 } } }),
  unary("Celu", { title: "of another alpha", attributes: { alpha: { float: 0.3 } } }),
  unary("Clip", { constants: [number(-0.5), number(0.25)] }),
  unary("Clip", { title: "from above alone", constants: [none, number(0.25)] }),
  { op: "PRelu", title: "a slope a channel", dims: [PLANES, [4, 1, 1]] },
  ...["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum"].flatMap(binary),
  { op: "Pow", title: "by a number", dims: [PLANES], positive: true, constants: [number(1.7)] },
  ...[
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
  ].flatMap(reduce),
  unary("GlobalAveragePool"),
  unary("GlobalMaxPool"),
  unary("Softmax", { title: "over channels", attributes: { axis: int(1) } }),
  { op: "Softmax", title: "over rows of a matrix", dims: [[3, 5]], attributes: { axis: int(-1) } },
  { op: "TopK", title: "sorted", dims: [[3, 9]], constants: [given(4)], attributes: { axis: int(1) }, outputs: 2 },
  { op: "ArgMax", title: "of rows", dims: [[3, 9]], attributes: { axis: int(1), keepdims: int(0) } },
  unary("Gather", { title: "of channels", constants: [given(2, 0, 1)], attributes: { axis: int(1) } }),
  conv("Conv", "same padding", [5, 4, 3, 3], window([3, 3], [1, 1], [1, 1, 1, 1])),
  conv("Conv", "uneven strides and padding", [5, 4, 3, 2], window([3, 2], [2, 1], [0, 1, 2, 0])),
  conv("Conv", "dilated", [5, 4, 2, 3], window([2, 3], [1, 1], [1, 2, 1, 2], [2, 2])),
  conv("Conv", "dilated and strided", [5, 4, 2, 3], window([2, 3], [2, 2], [1, 2, 1, 2], [2, 2])),
  conv("Conv", "grouped", [6, 2, 3, 3], { ...window([3, 3], [2, 2], [1, 1, 1, 1]), group: int(2) }),
  conv("Conv", "depthwise", [8, 1, 3, 3], { ...window([3, 3], [2, 2], [1, 1, 1, 1]), group: int(4) }),
  conv("Conv", "depthwise, dilated, of uneven strides", [4, 1, 2, 2], {
    ...window([2, 2], [1, 2], [1, 0, 1, 0], [2, 2]),
    group: int(4),
  }),
  {
    op: "MatMul",
    title: "matrices",
    dims: [
      [3, 4],
      [4, 5],
    ],
  },
  {
    op: "MatMul",
    title: "frames by a matrix",
    dims: [
      [2, 3, 4],
      [4, 5],
    ],
  },
  {
    op: "MatMul",
    title: "a matrix by frames",
    dims: [
      [3, 4],
      [2, 4, 5],
    ],
  },
  {
    op: "MatMul",
    title: "frames by frames",
    dims: [
      [2, 3, 4],
      [2, 4, 5],
    ],
  },
  {
    op: "Gemm",
    title: "transposed",
    dims: [[3, 4], [5, 4], [5]],
    attributes: { transB: int(1), alpha: { float: 0.5 } },
  },
  unary("MaxPool", { title: "padded", attributes: window([3, 2], [2, 2], [1, 0, 1, 1]) }),
  unary("MaxPool", { title: "dilated", attributes: window([2, 2], [1, 1], [0, 0, 0, 0], [2, 3]) }),
  unary("AveragePool", { attributes: { kernel_shape: ints(3, 2), strides: ints(2, 1) } }),
  unary("AveragePool", { title: "padded", attributes: { kernel_shape: ints(3, 2), pads: ints(1, 0, 1, 1) } }),
  unary("AveragePool", {
    title: "padding counted",
    attributes: { kernel_shape: ints(3, 2), pads: ints(1, 0, 1, 1), count_include_pad: int(1) },
  }),
  resize("nearest", "asymmetric", "floor", 2, 3),
  resize("nearest", "half_pixel", "round_prefer_floor", 1.5, 0.5),
  resize("nearest", "half_pixel", "round_prefer_ceil", 1.5, 2),
  resize("linear", "half_pixel", "floor", 2, 2),
  resize("linear", "align_corners", "floor", 2, 1.5),
  resize("linear", "pytorch_half_pixel", "floor", 0.5, 2),
  unary("Reshape", { title: "within planes", constants: [given(-1, 4, 3, 2, 7)] }),
  unary("Reshape", { title: "to rows", constants: [given(0, -1)] }),
  { op: "DepthToSpace", title: "depth first", dims: [[2, 12, 3, 4]], attributes: { blocksize: int(2) } },
  {
    op: "DepthToSpace",
    title: "column first",
    dims: [[2, 12, 3, 4]],
    attributes: { blocksize: int(2), mode: { text: "CRD" } },
  },
  { op: "SpaceToDepth", title: "blocks of two", dims: [[2, 3, 4, 6]], attributes: { blocksize: int(2) } },
  unary("Flatten"),
  unary("Unsqueeze", { constants: [given(1, -1)] }),
  { op: "Squeeze", title: "an axis", dims: [[2, 4, 1, 6]], constants: [given(2)] },
  unary("Transpose", { title: "channels to the end", attributes: { perm: ints(0, 2, 3, 1) } }),
  unary("Transpose", { title: "planes turned", attributes: { perm: ints(0, 1, 3, 2) } }),
  { op: "Concat", title: "of channels", dims: [PLANES, [2, 3, 6, 7]], attributes: { axis: int(1) } },
  unary("Split", { title: "of channels", constants: [given(1, 3)], attributes: { axis: int(1) }, outputs: 2 }),
  unary("Slice", { title: "steps", constants: [given(1, 0), given(6, -1), given(2, 3), given(2, 3)] }),
  unary("Slice", { title: "to the end", constants: [given(-2), given(2 ** 53), given(1)] }),
  unary("Pad", { title: "constant", constants: [given(0, 0, 1, 2, 0, 1, 0, 3), number(-2)] }),
  unary("Pad", { title: "negative", constants: [given(0, 0, -1, 2, 0, 0, 1, -3), number(0)] }),
  ...["reflect", "edge"].map((mode) =>
    unary("Pad", { title: mode, constants: [given(0, 0, 1, 2, 0, 0, 2, 3)], attributes: { mode: { text: mode } } }),
  ),
  unary("Tile", { constants: [given(1, 2, 1, 3)] }),
  { op: "Expand", title: "planes", dims: [[2, 4, 1, 1]], constants: [given(1, 4, 3, 5)] },
];

/** A program of one case: `layout` says in which form of its own an engine finds the tensors. */
export function caseProgram(
  c: OperationCase,
  channelLast: boolean,
  random: () => number,
): { program: Program; feeds: Record<string, { data: Float32Array; dims: number[] }> } {
  const e = new Emitter();
  const feeds: Record<string, { data: Float32Array; dims: number[] }> = {};
  const inputs = c.dims.map((dims, k) => {
    const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => {
      const v = 4 * random() - 2;
      return c.positive ? Math.abs(v) + 0.1 : v;
    });
    if (c.weight && k === 1) return e.tensor(data, dims);
    const value = e.input(`x${k}`, "float32", dims);
    feeds[`x${k}`] = { data, dims: [...dims] };
    // A pool of single elements changes nothing, and leaves its result as pools do.
    const pooled = channelLast && dims.length === 4;
    return pooled ? e.op("MaxPool", [value], { kernel_shape: ints(1, 1) }) : value;
  });
  const constants = (c.constants ?? []).map((make) => make(e));
  const made = e.many(c.op, [...inputs, ...constants], c.outputs ?? 1, c.attributes);
  made.forEach((value, k) => {
    const kind: ElementKind = c.op === "ArgMax" || (c.op === "TopK" && k === 1) ? "int64" : "float32";
    e.output(value, `y${k}`, kind, []);
  });
  return { program: e.finish(), feeds };
}
