import type { Name } from "../../tensorflow/onnx-graph.js";
import { activated } from "../activations.js";
import { constantInput, first, input, type Op, type OpTranslation, rankOf } from "../op.js";
import { biasOf } from "./windows.js";

/** `[out, in]` times each row of an input, which is taken as rows of `in` numbers unless it keeps its axes. */
const FULLY_CONNECTED: OpTranslation = (op) => {
  const { graph, options } = op;
  if (options?.int8(1)) graph.refuse("its weights are stored in another order (shuffled)");
  const weight = constantInput(op, 1, "weight");
  const [out, length] = weight.dims;
  if (weight.dims.length !== 2) graph.refuse(`its weight has dims [${weight.dims.join(", ")}], and two axes are known`);
  const bias = biasOf(op, 2);
  const keeps = options?.flag(2) === true && rankOf(op, 0) > 2;
  if (keeps) {
    const z = graph.one("MatMul", [first(op), graph.transpose(input(op, 1), [1, 0])]);
    return activated(op, bias.length > 0 ? graph.one("Add", [z, ...bias]) : z, 0);
  }
  const rows = rankOf(op, 0) === 2 ? first(op) : graph.one("Reshape", [first(op), graph.ints(-1, length!)]);
  const z = graph.one("Gemm", [rows, input(op, 1), ...bias], { transB: 1 });
  const flat = op.outputs[0]?.dims ?? [];
  return activated(op, flat.length > 2 ? graph.one("Reshape", [z, graph.ints(0, ...flat.slice(1, -1), out!)]) : z, 0);
};

/** The last two axes swapped. */
function swapped(op: Op, index: number): Name {
  const rank = rankOf(op, index);
  const axes = Array.from({ length: rank }, (_, k) => (k < rank - 2 ? k : 2 * rank - 3 - k));
  return op.graph.transpose(input(op, index), axes);
}

const BATCH_MATMUL: OpTranslation = (op) => {
  const [turnsFirst, turnsSecond] = [op.options?.flag(0), op.options?.flag(1)];
  return op.graph.one("MatMul", [turnsFirst ? swapped(op, 0) : first(op), turnsSecond ? swapped(op, 1) : input(op, 1)]);
};

export const PRODUCTS: Record<string, OpTranslation> = { BATCH_MATMUL, FULLY_CONNECTED };
