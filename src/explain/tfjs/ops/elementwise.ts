import { leakyRelu, reciprocalRoot, relu6, scaled, square, squaredDifference } from "../../tensorflow/functions.js";
import type { Name } from "../../tensorflow/onnx-graph.js";
import type { Op, OpTranslation } from "./op.js";

/** A bias a channel. */
export function addBias(op: Op, x: Name, bias: Name): Name {
  const { graph } = op;
  const known = graph.constantAt(bias);
  if (op.channelsLast || !known) return graph.one("Add", [x, bias]);
  return graph.one("Add", [x, graph.constant({ ...known, dims: [known.data.length, 1, 1] })]);
}

/** `args`: scale, offset, mean, variance. */
export function batchNorm(op: Op, x: Name, args: readonly Name[]): Name {
  const { graph } = op;
  const [gamma, beta, mean, variance] = args.map(
    (name) =>
      graph.constantAt(name)?.data ??
      graph.refuse("its statistics are computed while the model runs; convert the model for inference"),
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const epsilon = op.float("epsilon", 1e-4);
  const factor = Float64Array.from(gamma, (g, c) => g / Math.sqrt(variance[c]! + epsilon));
  const shift = Float64Array.from(beta, (b, c) => b - mean[c]! * factor[c]!);
  return scaled(graph, x, factor, shift, op.channelsLast ? 0 : 2);
}

const FusedBatchNorm: OpTranslation = (op) => {
  if (op.flag("is_training")) op.graph.refuse("it is in training mode; convert the model for inference");
  return batchNorm(op, op.first, op.inputs.slice(1, 5));
};

/** Operations that ONNX has under another or the same name. */
const same =
  (name: string): OpTranslation =>
  (op) =>
    op.graph.one(name, op.inputs);

export const ELEMENTWISE: Record<string, OpTranslation> = {
  Abs: same("Abs"),
  Add: same("Add"),
  AddN: same("Sum"),
  AddV2: same("Add"),
  BiasAdd: (op) => addBias(op, op.first, op.inputs[1]!),
  ClipByValue: same("Clip"),
  Elu: same("Elu"),
  Erf: same("Erf"),
  Exp: same("Exp"),
  FusedBatchNorm,
  FusedBatchNormV2: FusedBatchNorm,
  FusedBatchNormV3: FusedBatchNorm,
  LeakyRelu: (op) => leakyRelu(op.graph, op.first, op.float("alpha", 0.2)),
  Log: same("Log"),
  LogSoftmax: (op) => op.graph.one("LogSoftmax", [op.first], { axis: -1 }),
  Maximum: same("Max"),
  Minimum: same("Min"),
  Mul: same("Mul"),
  Neg: same("Neg"),
  Pow: same("Pow"),
  Prelu: same("PRelu"),
  RealDiv: same("Div"),
  Reciprocal: same("Reciprocal"),
  Relu: same("Relu"),
  Relu6: (op) => relu6(op.graph, op.first),
  Rsqrt: (op) => reciprocalRoot(op.graph, op.first),
  Selu: same("Selu"),
  Sigmoid: same("Sigmoid"),
  Softmax: (op) => op.graph.one("Softmax", [op.first], { axis: -1 }),
  Softplus: same("Softplus"),
  Softsign: same("Softsign"),
  Sqrt: same("Sqrt"),
  Square: (op) => square(op.graph, op.first),
  SquaredDifference: (op) => squaredDifference(op.graph, op.first, op.inputs[1]!),
  Sub: same("Sub"),
  Tanh: same("Tanh"),
};
