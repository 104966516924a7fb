import type { NodeProto } from "../proto/onnx.js";

/** What depends on the explained class depends on this operator. */
const START = "OneHot";
const MEAN = "ReduceMean";

/**
 * Nodes to append to a graph so that onnxruntime computes the means that the way back divides by during the forward pass: while
 * each layer's output is in the cache, and so that the output need not be kept for its mean alone. onnxruntime orders nodes
 * depth first, beginning at nodes without readers, the last one first. So each mean gets an Identity that nothing
 * reads, those of the first layers last.
 */
export function scheduleMeans(nodes: readonly NodeProto[]): NodeProto[] {
  const late = new Set<string>();
  const depths = new Map<string, number>();
  const means: { name: string; depth: number }[] = [];
  for (const { opType, input = [], output = [] } of nodes) {
    const isLate = opType === START || input.some((name) => late.has(name));
    const depth = 1 + Math.max(0, ...input.map((name) => depths.get(name) ?? 0));
    for (const name of output) {
      depths.set(name, depth);
      if (isLate) late.add(name);
    }
    if (opType === MEAN && !isLate) means.push({ name: output[0]!, depth });
  }
  return means
    .sort((a, b) => b.depth - a.depth)
    .map(({ name }) => ({ opType: "Identity", name: `${name}_early`, input: [name], output: [`${name}_early`] }));
}
