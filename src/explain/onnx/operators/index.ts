import type { OperatorImport } from "../importer.js";
import * as elementwise from "./elementwise.js";
import * as linear from "./linear.js";
import * as pooling from "./pooling.js";
import * as shape from "./shape.js";

/** Every operator that can be explained. One line registers one. */
export const OPERATORS: Record<string, OperatorImport> = {
  ...elementwise.oneToOneOperators,
  Add: elementwise.Add,
  AveragePool: pooling.AveragePool,
  BatchNormalization: linear.BatchNormalization,
  Cast: shape.Cast,
  Clip: elementwise.Clip,
  Concat: shape.Concat,
  Constant: shape.ConstantNode,
  ConstantOfShape: shape.ConstantOfShape,
  Conv: linear.Conv,
  Div: elementwise.Div,
  Dropout: shape.passThrough,
  Flatten: shape.Flatten,
  Gelu: elementwise.Gelu,
  Gemm: linear.Gemm,
  GlobalAveragePool: pooling.GlobalAveragePool,
  GlobalMaxPool: pooling.GlobalMaxPool,
  Identity: shape.passThrough,
  MatMul: linear.MatMul,
  MaxPool: pooling.MaxPool,
  Mul: elementwise.Mul,
  Neg: elementwise.Neg,
  PRelu: elementwise.PRelu,
  Pad: shape.Pad,
  Pow: elementwise.Pow,
  ReduceMean: pooling.ReduceMean,
  Reshape: shape.Reshape,
  Shape: shape.Shape,
  Slice: shape.Slice,
  Softmax: shape.Softmax,
  Split: shape.Split,
  Squeeze: shape.Squeeze,
  Sub: elementwise.Sub,
  Sum: elementwise.Sum,
  Transpose: shape.Transpose,
  Unsqueeze: shape.Unsqueeze,
};
