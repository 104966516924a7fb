import type { Importer, Node } from "./importer.js";
import { type Constant, size } from "./tensor.js";

type Dims = readonly number[] | undefined;
type Work = (node: Node, inputs: readonly (Constant | undefined)[], made: number) => number;

const words = (text: string): string[] => text.split(" ");

/** Operators that look at each element a few times. */
const LINEAR = new Set([
  ...words("Abs Acos Acosh Add And Asin Asinh Atan Atanh BatchNormalization BitShift BitwiseAnd BitwiseNot BitwiseOr"),
  ...words("BitwiseXor Cast CastLike Ceil Celu Clip Compress Concat ConstantOfShape Cos Cosh CumSum DepthToSpace"),
  ...words(
    "DequantizeLinear Div Dropout Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather GatherElements GatherND",
  ),
  ...words("Gelu GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GroupNormalization HardSigmoid HardSwish"),
  ...words("Hardmax Identity InstanceNormalization IsInf IsNaN LayerNormalization LeakyRelu Less LessOrEqual Log"),
  ...words("LogSoftmax LpNormalization Max Mean MeanVarianceNormalization Min Mish Mod Mul Neg NonZero Not OneHot Or"),
  ...words("PRelu Pad Pow QuantizeLinear Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax"),
  ...words(
    "ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence RMSNormalization",
  ),
  ...words(
    "Round Scatter ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus",
  ),
  ...words("Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile Transpose Trilu"),
  ...words("Unsqueeze Upsample Where Xor"),
]);
/** Beyond so many numbers, operators that are not known to be quick are not tried: one may take their square. */
const MAX_UNKNOWN_WORK = 2 ** 14;
/** Multiplications that a processor does in the time of one look at a number. */
const AT_ONCE = 8;

const elements = (c: Constant | undefined): number => c?.data.length ?? 0;

const HEAVY: Record<string, Work> = {
  Conv: (_, [, w], made) => (made * size(w?.dims.slice(1) ?? [])) / AT_ONCE,
  MatMul: (_, [a], made) => (made * (a?.dims.at(-1) ?? 1)) / AT_ONCE,
  Gemm: (node, [a], made) => (made * (a?.dims[node.int("transA", 0) ? 0 : 1] ?? 1)) / AT_ONCE,
  Einsum: (node, inputs) => {
    const extents = new Map<string, number>();
    const [from] = node.text("equation", "").replaceAll(" ", "").split("->") as [string];
    from.split(",").forEach((letters, k) => {
      const dims = inputs[k]?.dims ?? [];
      // An ellipsis stands for any axes: each counts as one of its own.
      if (letters.includes("...")) extents.set(`...${k}`, size(dims));
      else
        for (const [axis, letter] of [...letters].entries())
          extents.set(letter, Math.max(extents.get(letter) ?? 1, dims[axis] ?? 1));
    });
    return inputs.length > 2 ? size([...extents.values()]) * AT_ONCE : size([...extents.values()]) / AT_ONCE;
  },
  TopK: (_, [x]) => 32 * elements(x),
  Unique: (_, [x]) => 32 * elements(x),
};

/**
 * How long a node of constants takes to compute, in looks at a number (about a nanosecond each).
 * @throws ModelError where it cannot be told and may be long
 */
export function workOf(
  importer: Importer,
  node: Node,
  inputs: readonly (Constant | undefined)[],
  outputs: readonly Dims[],
): number {
  const made = outputs.reduce((sum, dims) => sum + size(dims ?? []), 0);
  const all = made + inputs.reduce((sum, c) => sum + elements(c), 0);
  const heavy = Object.hasOwn(HEAVY, node.op) ? HEAVY[node.op] : undefined;
  if (heavy) return all + heavy(node, inputs, made);
  if (LINEAR.has(node.op)) return 2 * all;
  const window = size(node.ints("kernel_shape") ?? [1]);
  if (!(all * window <= MAX_UNKNOWN_WORK))
    importer.refuse(node, `its inputs are constants, and computing it from ${all} numbers may take too long`);
  return all * all;
}
