import type { Name, OnnxGraph } from "./onnx-graph.js";

/** Functions that TensorFlow has as one operation, written as nodes of ONNX. */

export const relu6 = (graph: OnnxGraph, x: Name): Name => graph.one("Clip", [x, graph.number(0), graph.number(6)]);
export const leakyRelu = (graph: OnnxGraph, x: Name, alpha: number): Name =>
  graph.one("LeakyRelu", [x], { alpha: { float: alpha } });
export const square = (graph: OnnxGraph, x: Name): Name => graph.one("Mul", [x, x]);
export const squaredDifference = (graph: OnnxGraph, a: Name, b: Name): Name => square(graph, graph.one("Sub", [a, b]));
/** `1 / √x`. */
export const reciprocalRoot = (graph: OnnxGraph, x: Name): Name => graph.one("Reciprocal", [graph.one("Sqrt", [x])]);

/** `x · factor + shift`, one number an element of an axis; `after` it there are so many axes more. */
export function scaled(
  graph: OnnxGraph,
  x: Name,
  factor: ArrayLike<number>,
  shift: ArrayLike<number>,
  after = 0,
): Name {
  const dims = [factor.length, ...new Array<number>(after).fill(1)];
  return graph.one("Add", [graph.one("Mul", [x, graph.floats(factor, dims)]), graph.floats(shift, dims)]);
}
