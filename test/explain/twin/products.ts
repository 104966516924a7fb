/** Products of two tensors that both depend on the image, as the method's description has them: what the factors are. */
import { UNARY } from "./elementwise.js";
import { type Forward, liveInputs } from "./forward.js";
import { forEachTerm } from "./matrix-product.js";
import type { OnnxNode } from "./onnx-reader.js";
import { endsInGate, type Structure } from "./structure.js";
import type { Tensor } from "./tensor.js";

export const isMatrixProduct = (run: Forward, node: OnnxNode): boolean =>
  node.op === "MatMul" && liveInputs(run, node).length === 2;

/** A factor of a matrix product that relevance goes to: the edges from it, and its share. */
export interface Factor {
  name: string;
  share: number;
  forEachEdge(visit: (i: number, j: number, w: number) => void): void;
}

/** All of it to what a gate weighs; half to each where neither or both are gates. */
export function factorsOf(run: Forward, structure: Structure, node: OnnxNode): Factor[] {
  const [a, b] = node.inputs.map((name) => run.values.get(name)!) as [Tensor, Tensor];
  const [first, second] = node.inputs.map((name) => endsInGate(run, structure, name));
  const share = first === second ? 0.5 : 1;
  const factors: Factor[] = [];
  if (!first || second)
    factors.push({
      name: node.inputs[0]!,
      share,
      forEachEdge: (visit) => void forEachTerm(a, b, (i, k, j) => visit(i, j, b.data[k]!)),
    });
  if (!second || first)
    factors.push({
      name: node.inputs[1]!,
      share,
      forEachEdge: (visit) => void forEachTerm(a, b, (i, k, j) => visit(k, j, a.data[i]!)),
    });
  return factors;
}

/** The tensor that a product or quotient is a norm of, and the name of what it is measured by. */
export function normalisedBy(
  run: Forward,
  structure: Structure,
  node: OnnxNode,
): { x: string; by: string } | undefined {
  const live = liveInputs(run, node);
  if (live.length !== 2) return undefined;
  const [a, b] = live as [string, string];
  if (node.op === "Div") return { x: a, by: b };
  if (node.op !== "Mul") return undefined;
  const [first, second] = [a, b].map((name) => endsInReciprocal(run, structure, name));
  if (first !== second) return first ? { x: b, by: a } : { x: a, by: b };
  if (isStatistic(run, structure, b, a)) return { x: a, by: b };
  if (isStatistic(run, structure, a, b)) return { x: b, by: a };
  return undefined;
}

/** `c / y` or a negative power of y, behind whatever moves. */
function endsInReciprocal(run: Forward, structure: Structure, name: string): boolean {
  const node = structure.producer.get(name);
  if (!node) return false;
  const [live] = liveInputs(run, node);
  if (node.op === "Reciprocal") return true;
  if (node.op === "Div" && liveInputs(run, node).length === 1) return node.inputs[1] === live;
  if (node.op === "Pow" && !run.live.has(node.inputs[1]!))
    return run.values.get(node.inputs[1]!)!.data.every((v) => v < 0);
  return run.moves.has(node) && liveInputs(run, node).every((input) => endsInReciprocal(run, structure, input));
}

const REDUCTIONS = new Set(["ReduceMean", "ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceMax"]);
const ARITHMETIC = new Set(["Add", "Sub", "Mul", "Div", "Pow", "Sum", "Max", "Min"]);

/** Made of reductions of `x`, element-wise functions of them and constants. */
function isStatistic(run: Forward, structure: Structure, name: string, x: string): boolean {
  const node = structure.producer.get(name);
  if (!node) return false;
  if (REDUCTIONS.has(node.op) || node.op === "GlobalAveragePool") return isMadeOf(run, structure, node.inputs[0]!, x);
  return isElementwise(run, node) && liveInputs(run, node).every((input) => isStatistic(run, structure, input, x));
}

/** `x` itself, element-wise functions of it, and its statistics. */
function isMadeOf(run: Forward, structure: Structure, name: string, x: string): boolean {
  if (unmoved(run, structure, name) === unmoved(run, structure, x)) return true;
  const node = structure.producer.get(name);
  if (!node) return false;
  if (isStatistic(run, structure, name, x)) return true;
  return isElementwise(run, node) && liveInputs(run, node).every((input) => isMadeOf(run, structure, input, x));
}

const isElementwise = (run: Forward, node: OnnxNode): boolean =>
  node.op in UNARY || ARITHMETIC.has(node.op) || run.moves.has(node);

/** The tensor whose elements these are, in whatever order. */
function unmoved(run: Forward, structure: Structure, name: string): string {
  const node = structure.producer.get(name);
  const reorders = node && ["Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity"].includes(node.op);
  return reorders ? unmoved(run, structure, node.inputs[0]!) : name;
}

/** An element-wise product of two signals. */
export const isProductOfSignals = (run: Forward, node: OnnxNode): boolean =>
  node.op === "Mul" && liveInputs(run, node).length === 2;
