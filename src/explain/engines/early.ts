import type { NodeProto } from "../proto/onnx.js";

/** What depends on the explained class depends on this operator. */
const START = "OneHot";
const MEAN = "ReduceMean";

/**
 * Nodes to append to a graph so that onnxruntime takes the means that the way back divides by on the way there: while each
 * layer's output is in the cache, and before it has to be kept for the sake of its mean. onnxruntime orders nodes depth
 * first from those that nobody reads, the last of them first. So each such mean gets a reader that nobody reads, those
 * of the first layers last.
 */
export function earlyMeans(nodes: readonly NodeProto[]): NodeProto[] {
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
