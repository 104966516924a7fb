/** Products of two tensors that both depend on the image, as the method's description has them: what the factors are. */
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

/** An element-wise product of two signals. */
export const isProductOfSignals = (run: Forward, node: OnnxNode): boolean =>
  node.op === "Mul" && liveInputs(run, node).length === 2;
