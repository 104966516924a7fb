import { BATCH } from "./batch.js";
import type { Node } from "./importer.js";
import type { Constant } from "./tensor.js";

/** Constants that are the same for every frame, the batch their first axis, of which one frame is held. */

type Constants = readonly (Constant | undefined)[];
const words = (text: string): string[] => text.split(" ");

/** Operators that treat every element alike, and so every frame. */
const ELEMENTWISE = new Set(
  words(
    "Abs Add And Cast Ceil Clip Cos Div Dropout Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid HardSwish Identity Less LessOrEqual Log Max Min Mod Mul Neg Not Or Pow Reciprocal Relu Round Sigmoid Sign Sin Sqrt Sub Sum Tanh Where",
  ),
);
/** Operators that work along one axis, and which that is where it is not said. */
const ALONG: Record<string, number> = { Concat: 0, Gather: 0, LayerNormalization: -1, Softmax: -1, Split: 0 };
/** Operators that read each frame by itself, with weights that are no batch. */
const BY_FRAME = new Set(
  words("AveragePool BatchNormalization Conv Flatten GlobalAveragePool InstanceNormalization MaxPool"),
);
/** Operators whose second input lists axes. */
const AXES = new Set(
  words(
    "CumSum ReduceL1 ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Squeeze Unsqueeze",
  ),
);

/** Whether a node on such constants leaves each frame to itself, and the batch first. */
export function keepsFramesApart(node: Node, constants: Constants, results: Constants): boolean {
  const rank = results[0]?.dims.length ?? 0;
  if (results.some((result) => result && result.dims[0] !== 1)) return false;
  const batched = constants.filter((c) => c?.batched);
  const [x, second] = constants;
  const inner = (axis: number, length: number): boolean => axis !== 0 && axis !== -length;
  const own = x?.dims.length ?? 0;
  if (ELEMENTWISE.has(node.op)) return batched.every((c) => c!.dims.length === rank);
  if (!x?.batched && node.op !== "Concat" && node.op !== "MatMul") return false;
  if (Object.hasOwn(ALONG, node.op))
    return inner(node.int("axis", ALONG[node.op]!), own) && (node.op === "Concat" || batched.length === 1);
  if (BY_FRAME.has(node.op)) return batched.length === 1 && node.int("axis", 1) === 1;
  if (AXES.has(node.op)) {
    const axes = second ? Array.from(second.data) : node.ints("axes");
    const length = node.op === "Unsqueeze" ? rank : own;
    return axes !== undefined && axes.length > 0 && axes.every((axis) => inner(axis, length));
  }
  switch (node.op) {
    case "Transpose":
      return node.ints("perm")?.[0] === 0;
    case "Expand":
    case "Reshape":
      return rank > 1;
    case "Tile":
      return constants[1]?.data[0] === 1;
    case "Slice":
      return (constants[3] ? Array.from(constants[3].data) : (node.ints("axes") ?? [0])).every((a) => inner(a, own));
    case "MatMul":
      return batched.every((c) => c!.dims.length === rank && rank > 2);
    default:
      return false;
  }
}

/** Whether a node makes a constant for each frame of one: `repeat(N, 1, 1)`. */
export const repeatsFrames = (node: Node, [x, repeats]: Constants): boolean =>
  node.op === "Tile" && repeats?.data[0] === BATCH && x?.dims[0] === 1;

/** What a node of constants is told, for one frame: in a list of dims or repeats the batch is 1 where it comes first. */
export function forOneFrame(node: Node, constants: Constants): Constants {
  const reshapes = node.op === "Reshape" && constants[0]?.batched && constants[1]?.data[0] === BATCH;
  if (!reshapes && !repeatsFrames(node, constants)) return constants;
  return constants.map((c, k) => (k === 1 ? { ...c!, data: Float64Array.from(c!.data).fill(1, 0, 1) } : c));
}

/** How much more each frame's elements of a result are than those of the frame before, as in `n · 320 + k`. */
export function stepOf(node: Node, constants: Constants): number | undefined {
  const steps = constants.map((c) => c?.step ?? 0);
  const [a, b] = constants;
  switch (node.op) {
    case "Add":
      return steps[0]! + steps[1]!;
    case "Sub":
      return steps[0]! - steps[1]!;
    case "Mul": {
      const [factor, step] = a?.step ? [b, a.step] : [a, b!.step!];
      const uniform = factor && !factor.step && factor.data.every((v) => v === factor.data[0]);
      return uniform ? step * factor.data[0]! : undefined;
    }
    case "Cast":
    case "Expand":
    case "Identity":
    case "Reshape":
    case "Transpose":
    case "Unsqueeze":
      return steps[0];
    default:
      return undefined;
  }
}
