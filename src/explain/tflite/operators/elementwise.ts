import { leakyRelu, reciprocalRoot, relu6, square, squaredDifference } from "../../tensorflow/functions.js";
import { activated } from "../activations.js";
import { first, input, type OpTranslation, optionsOf } from "../op.js";

/** Operators that ONNX has under another or the same name. */
const same =
  (name: string): OpTranslation =>
  (op) =>
    op.graph.one(name, op.inputs);

/** Of two tensors, with an activation that may be fused to it. */
const binary =
  (name: string): OpTranslation =>
  (op) =>
    activated(op, op.graph.one(name, [first(op), input(op, 1)]), 0);

const clipped =
  (low: number, high: number): OpTranslation =>
  (op) =>
    op.graph.one("Clip", [first(op), op.graph.number(low), op.graph.number(high)]);

const SOFTMAX: OpTranslation = (op) => {
  const beta = optionsOf(op).float32(0, 1);
  const x = beta === 1 ? first(op) : op.graph.one("Mul", [first(op), op.graph.number(beta)]);
  return op.graph.one("Softmax", [x], { axis: -1 });
};

/** Each row over its length. */
const L2_NORMALIZATION: OpTranslation = (op) => {
  const { graph } = op;
  const length = graph.one("ReduceL2", [first(op), graph.ints(-1)], { keepdims: 1 });
  return activated(op, graph.one("Div", [first(op), length]), 0);
};

export const ELEMENTWISE: Record<string, OpTranslation> = {
  ABS: same("Abs"),
  ADD: binary("Add"),
  ADD_N: same("Sum"),
  DIV: binary("Div"),
  ELU: same("Elu"),
  EXP: same("Exp"),
  GELU: (op) => op.graph.one("Gelu", [first(op)], { approximate: op.options?.flag(0) ? "tanh" : "none" }),
  HARD_SWISH: same("HardSwish"),
  L2_NORMALIZATION,
  LEAKY_RELU: (op) => leakyRelu(op.graph, first(op), optionsOf(op).float32(0)),
  LOG: same("Log"),
  LOGISTIC: same("Sigmoid"),
  LOG_SOFTMAX: (op) => op.graph.one("LogSoftmax", [first(op)], { axis: -1 }),
  MAXIMUM: same("Max"),
  MINIMUM: same("Min"),
  MUL: binary("Mul"),
  NEG: same("Neg"),
  POW: same("Pow"),
  PRELU: same("PRelu"),
  RELU: same("Relu"),
  RELU6: (op) => relu6(op.graph, first(op)),
  RELU_0_TO_1: clipped(0, 1),
  RELU_N1_TO_1: clipped(-1, 1),
  RSQRT: (op) => reciprocalRoot(op.graph, first(op)),
  SELECT: same("Where"),
  SELECT_V2: same("Where"),
  SOFTMAX,
  SQRT: same("Sqrt"),
  SQUARE: (op) => square(op.graph, first(op)),
  SQUARED_DIFFERENCE: (op) => squaredDifference(op.graph, first(op), input(op, 1)),
  SUB: binary("Sub"),
  TANH: same("Tanh"),
};
