import type { Name, OnnxGraph } from "../tensorflow/onnx-graph.js";
import type { Op } from "./op.js";

/** Operators that give nothing below 0. */
const NEVER_NEGATIVE = new Set(
  "ABS EXP LOGISTIC RELU RELU6 RELU_0_TO_1 SOFTMAX SQRT SQUARE SQUARED_DIFFERENCE".split(" "),
);
/** Operators that give nothing below 0 where they are given nothing below it. */
const KEEPING = new Set(
  `ADD ADD_N AVERAGE_POOL_2D CONCATENATION DEPTH_TO_SPACE DEQUANTIZE DIV EXPAND_DIMS GATHER MAXIMUM MAX_POOL_2D MEAN MINIMUM
  MIRROR_PAD MUL PACK PAD QUANTIZE REDUCE_MAX RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR SLICE SPACE_TO_DEPTH SPLIT
  SPLIT_V SQUEEZE STRIDED_SLICE SUM TRANSPOSE UNPACK`.split(/\s+/),
);
/** Nodes that fused activations end in. */
const FUSED_FIELD: Readonly<Record<string, number>> = {
  ADD: 0,
  AVERAGE_POOL_2D: 5,
  CONCATENATION: 1,
  CONV_2D: 3,
  DEPTHWISE_CONV_2D: 4,
  DIV: 0,
  FULLY_CONNECTED: 0,
  MAX_POOL_2D: 5,
  MUL: 0,
  SUB: 0,
  TRANSPOSE_CONV: 3,
};
/** RELU and RELU6. */
const CUTTING = new Set([1, 3]);

/** Which tensors hold nothing below 0, so that cutting them off there changes nothing. */
export class SignKeeping {
  readonly #graph: OnnxGraph;
  readonly #known = new Set<Name>();

  constructor(graph: OnnxGraph) {
    this.#graph = graph;
  }

  markNonNegative(name: Name): void {
    this.#known.add(name);
  }

  /** Whether an operator's result holds nothing below 0. */
  keeps(op: Op, result: Name): boolean {
    if (this.#known.has(result) || NEVER_NEGATIVE.has(op.kind)) return true;
    const field = FUSED_FIELD[op.kind];
    if (field !== undefined && CUTTING.has(op.options?.int8(field) ?? 0)) return true;
    if (!KEEPING.has(op.kind)) return false;
    return op.inputs.every((name) => name === "" || this.#known.has(name) || this.#isConstant(name));
  }

  #isConstant(name: Name): boolean {
    const constant = this.#graph.constantAt(name);
    const isMet = constant !== undefined && (constant.integer || constant.data.every((v) => v >= 0));
    if (isMet) this.#known.add(name);
    return isMet;
  }
}
