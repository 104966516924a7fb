import type { OperatorImport } from "../importer.js";
import * as blocks from "./blocks.js";
import { loopOperators } from "./control.js";
import { ConvTranspose } from "./conv-transpose.js";
import * as elementwise from "./elementwise.js";
import * as gather from "./gather.js";
import * as linear from "./linear.js";
import * as matmul from "./matmul.js";
import * as norms from "./norms.js";
import { Pad } from "./pad.js";
import * as parts from "./parts.js";
import * as pooling from "./pooling.js";
import * as quantised from "./quantised.js";
import * as reduce from "./reduce.js";
import * as reshape from "./reshape.js";
import { Resize } from "./resize.js";
import * as shape from "./shape.js";
import { IsNaN, Where } from "./where.js";

/** Operators that are known, and why they cannot be explained. */
export const REFUSED: Record<string, OperatorImport> = loopOperators;

/** Every operator that can be explained. One line registers one. */
export const OPERATORS: Record<string, OperatorImport> = {
  ...elementwise.oneToOneOperators,
  Add: elementwise.Add,
  AveragePool: pooling.AveragePool,
  BatchNormalization: linear.BatchNormalization,
  Cast: shape.Cast,
  Clip: elementwise.Clip,
  Concat: parts.Concat,
  Constant: shape.ConstantNode,
  ConstantOfShape: shape.ConstantOfShape,
  Conv: linear.Conv,
  ConvTranspose,
  DequantizeLinear: quantised.DequantizeLinear,
  DepthToSpace: blocks.DepthToSpace,
  Div: elementwise.Div,
  Dropout: shape.passThrough,
  DynamicQuantizeLinear: quantised.DynamicQuantizeLinear,
  Expand: gather.Expand,
  Flatten: reshape.Flatten,
  Gather: gather.Gather,
  Gelu: elementwise.Gelu,
  Gemm: matmul.Gemm,
  GlobalAveragePool: reduce.GlobalAveragePool,
  GlobalMaxPool: pooling.GlobalMaxPool,
  GroupNormalization: norms.GroupNormalization,
  Identity: shape.passThrough,
  InstanceNormalization: norms.InstanceNormalization,
  IsNaN,
  LayerNormalization: norms.LayerNormalization,
  LogSoftmax: shape.Softmax,
  LRN: norms.LRN,
  MatMul: matmul.MatMul,
  Max: elementwise.Max,
  MaxPool: pooling.MaxPool,
  Min: elementwise.Min,
  Mul: elementwise.Mul,
  Neg: elementwise.Neg,
  Pad,
  Pow: elementwise.Pow,
  PRelu: elementwise.PRelu,
  QuantizeLinear: quantised.QuantizeLinear,
  ReduceL1: reduce.ReduceL1,
  ReduceL2: reduce.ReduceL2,
  ReduceMax: reduce.ReduceMax,
  ReduceMean: reduce.ReduceMean,
  ReduceSum: reduce.ReduceSum,
  ReduceSumSquare: reduce.ReduceSumSquare,
  Reshape: reshape.Reshape,
  Resize,
  Round: quantised.Round,
  Shape: shape.Shape,
  Size: shape.Size,
  Slice: parts.Slice,
  Softmax: shape.Softmax,
  SpaceToDepth: blocks.SpaceToDepth,
  Split: parts.Split,
  Squeeze: reshape.Squeeze,
  Sub: elementwise.Sub,
  Sum: elementwise.Sum,
  Tile: gather.Tile,
  Transpose: reshape.Transpose,
  Unsqueeze: reshape.Unsqueeze,
  Upsample: Resize,
  Where,
};
