import type { NodeProto } from "../../proto/onnx.js";
import type { Importer, Node } from "../importer.js";
import { biasGelu, quickGelu } from "./activations.js";
import { Attention, MultiHeadAttention, PackedAttention } from "./attention.js";
import { Einsum } from "./einsum.js";
import { FusedConv, FusedMatMul } from "./linear.js";
import { RMSNormalization, SkipLayerNormalization, SkipSimplifiedLayerNormalization } from "./norms.js";
import * as quantised from "./quantised.js";
import { ScatterND } from "./scatter.js";
import { type Expansion, Writer } from "./writer.js";

/** Operators that are written out as plain ones. One line registers one. */
const PLAIN: Record<string, Expansion> = {
  Attention,
  ConvInteger: quantised.ConvInteger,
  Einsum,
  MatMulInteger: quantised.MatMulInteger,
  QLinearConv: quantised.QLinearConv,
  QLinearMatMul: quantised.QLinearMatMul,
  RMSNormalization,
  ScatterND,
  SimplifiedLayerNormalization: RMSNormalization,
};

/** The same of onnxruntime's own operators, which it leaves in files that it has optimised. */
const FUSED: Record<string, Expansion> = {
  Attention: PackedAttention,
  BiasGelu: biasGelu("none"),
  DynamicQuantizeMatMul: quantised.DynamicQuantizeMatMul,
  FastGelu: biasGelu("tanh"),
  FusedConv,
  FusedMatMul,
  Gelu: biasGelu("none"),
  MatMulIntegerToFloat: quantised.MatMulIntegerToFloat,
  MatMulNBits: quantised.MatMulNBits,
  MultiHeadAttention,
  NhwcMaxPool: quantised.NhwcMaxPool,
  QGemm: quantised.QGemm,
  QLinearAdd: quantised.qLinearPair("Add"),
  QLinearAveragePool: quantised.QLinearAveragePool,
  QLinearConcat: quantised.QLinearConcat,
  QLinearConv: quantised.QLinearConv,
  QLinearGlobalAveragePool: quantised.qLinearOne("GlobalAveragePool"),
  QLinearLeakyRelu: quantised.qLinearOne("LeakyRelu", "alpha"),
  QLinearMul: quantised.qLinearPair("Mul"),
  QLinearReduceMean: quantised.QLinearReduceMean,
  QLinearSigmoid: quantised.qLinearOne("Sigmoid"),
  QLinearSoftmax: quantised.qLinearOne("Softmax", "axis"),
  QuickGelu: quickGelu,
  SimplifiedLayerNormalization: RMSNormalization,
  SkipLayerNormalization,
  SkipSimplifiedLayerNormalization,
};

const expansionOf = ({ domain = "", opType }: NodeProto): Expansion | undefined => {
  const table = domain === "com.microsoft" ? FUSED : domain === "" || domain === "ai.onnx" ? PLAIN : {};
  return Object.hasOwn(table, opType) ? table[opType] : undefined;
};

export const isWritten = (proto: NodeProto): boolean => expansionOf(proto) !== undefined;

/** The plain nodes that a fused one stands for; undefined for any other, and where there is nothing but constants to compute. */
export function written(importer: Importer, node: Node, proto: NodeProto): NodeProto[] | undefined {
  const expansion = expansionOf(proto);
  const folds = !proto.domain && node.inputs.every((name) => name === "" || importer.constants.has(name));
  if (!expansion || folds) return undefined;
  const writer = new Writer(importer, node);
  expansion(writer);
  return writer.nodes;
}
