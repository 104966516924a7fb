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

/** The whole numbers that quantised activations are. */
const ENDS: Readonly<Record<number, readonly [least: number, most: number]>> = {
  [ElementType.uint8]: [0, 255],
  [ElementType.int8]: [-128, 127],
  [ElementType.int16]: [-32768, 32767],
};

/** The real numbers that a quantised tensor can hold, from the least to the most; undefined for one that is not quantised. */
export function rangeOf({ type, quantisation }: LiteTensor): { low: number; high: number; step: number } | undefined {
  const ends = type === undefined ? undefined : ENDS[type];
  if (!ends || quantisation?.scales.length !== 1) return undefined;
  const [step, zero] = [quantisation.scales[0]!, quantisation.zeroPoints[0] ?? 0];
  return { low: step * (ends[0] - zero), high: step * (ends[1] - zero), step };
}

/**
 * The activation that the range of a quantised tensor stands for: one that begins at 0 cuts off as a ReLU does, which
 * converters leave out for that reason, and one that ends at 6 besides as a ReLU6. Other ends are those of values seen in
 * calibration, beyond which little lies: activations are real numbers here, and are not cut there.
 */
export function cutByRange(graph: OnnxGraph, x: Name, tensor: LiteTensor): Name {
  const range = rangeOf(tensor);
  if (range?.low !== 0) return x;
  return Math.abs(range.high - 6) <= range.step ? relu6(graph, x) : graph.one("Relu", [x]);
}
