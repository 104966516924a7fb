import { ElementType } from "../proto/onnx.js";
import { relu6 } from "../tensorflow/functions.js";
import type { Name, OnnxGraph } from "../tensorflow/onnx-graph.js";
import type { Op } from "./op.js";
import type { LiteTensor } from "./schema.js";

/** Activations that are fused to an operator, by their code. */
const FUSED: readonly [name: string, apply?: (graph: OnnxGraph, x: Name) => Name][] = [
  ["NONE", (_, x) => x],
  ["RELU", (graph, x) => graph.one("Relu", [x])],
  ["RELU_N1_TO_1", (graph, x) => graph.one("Clip", [x, graph.number(-1), graph.number(1)])],
  ["RELU6", relu6],
  ["TANH", (graph, x) => graph.one("Tanh", [x])],
  ["SIGN_BIT"],
];

/** Applies the activation whose code stands in a field of the operator's options. */
export function activated(op: Op, x: Name, field: number): Name {
  const code = op.options?.int8(field) ?? 0;
  const [name, apply] = FUSED[code] ?? [code];
  return apply ? apply(op.graph, x) : op.graph.refuse(`its fused activation ${name} is not known`);
}

/** Types of whole numbers that activations are quantised to. */
const WHOLE = new Set<number | undefined>([ElementType.uint8, ElementType.int8, ElementType.int16]);

/**
 * The real numbers that a quantised tensor stands for, rounded and cut off as its whole numbers are: where these begin at 0 that
 * is the ReLU that converters leave out. Any other tensor is what it is.
 */
export function rounded(graph: OnnxGraph, x: Name, { type, quantisation }: LiteTensor): Name {
  if (!WHOLE.has(type) || quantisation?.scales.length !== 1) return x;
  const scale = graph.number(quantisation.scales[0]!);
  const zero = graph.constant({
    dims: [],
    data: Float64Array.of(quantisation.zeroPoints[0] ?? 0),
    integer: true,
    type,
  });
  return graph.one("DequantizeLinear", [graph.one("QuantizeLinear", [x, scale, zero]), scale, zero]);
}
