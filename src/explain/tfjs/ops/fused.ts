import { transposeConstant } from "../../onnx/arrays.js";
import type { Constant } from "../../onnx/tensor.js";
import { leakyRelu, relu6 } from "../../tensorflow/functions.js";
import type { Name } from "../../tensorflow/onnx-graph.js";
import { addBias, batchNorm } from "./elementwise.js";
import type { Op, OpTranslation } from "./op.js";
import { convolved } from "./windows.js";

/** What can be fused to an operation; `args` are taken from the inputs behind its own, in order. */
const FUSED: Record<string, (op: Op, x: Name, args: Name[]) => Name> = {
  BiasAdd: (op, x, args) => addBias(op, x, args.shift()!),
  Relu: (op, x) => op.graph.one("Relu", [x]),
  Relu6: (op, x) => relu6(op.graph, x),
  Elu: (op, x) => op.graph.one("Elu", [x]),
  Sigmoid: (op, x) => op.graph.one("Sigmoid", [x]),
  Tanh: (op, x) => op.graph.one("Tanh", [x]),
  LeakyRelu: (op, x) => leakyRelu(op.graph, x, op.float("leakyrelu_alpha", 0.2)),
  Prelu: (op, x, args) => op.graph.one("PRelu", [x, args.shift()!]),
  FusedBatchNorm: (op, x, args) => batchNorm(op, x, args.splice(0, 4)),
};

function fused(op: Op, x: Name): Name {
  const args = op.inputs.slice(2);
  return op.texts("fused_ops").reduce((at, name) => {
    const apply = Object.hasOwn(FUSED, name) ? FUSED[name] : undefined;
    return apply ? apply(op, at, args) : op.graph.refuse(`${name} is fused to it, which is not known`);
  }, x);
}

const conv: OpTranslation = (op) => fused(op, convolved(op, op.first));

/** Products with a constant matrix. */
function product(op: Op): Name {
  const { graph } = op;
  if (op.flag("transpose_a") || op.flag("adj_x")) graph.refuse("its input is transposed across the batch");
  const second = graph.constantAt(op.inputs[1] ?? "");
  if (!second) return graph.one("MatMul", op.inputs.slice(0, 2));
  const turned = op.flag("transpose_b") || op.flag("adj_y");
  return graph.one("MatMul", [op.first, turned ? graph.constant(adjoint(second)) : op.inputs[1]!]);
}

/** The last two axes swapped, whatever lies before them. */
function adjoint(c: Constant): Constant {
  const axes = c.dims.map((_, k) => k);
  return transposeConstant(c, [...axes.slice(0, -2), ...axes.slice(-2).reverse()]);
}

export const FUSIONS: Record<string, OpTranslation> = {
  _FusedConv2D: conv,
  FusedDepthwiseConv2dNative: conv,
  _FusedMatMul: (op) => fused(op, product(op)),
  MatMul: product,
  BatchMatMul: product,
  BatchMatMulV2: product,
};
