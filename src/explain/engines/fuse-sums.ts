import type { NodeProto } from "../proto/onnx.js";

/** Operator set of onnxruntime's blocked layout. */
const NCHWC = "com.microsoft.nchwc";

/**
 * Gives a blocked convolution whose only reader adds another value of the same dims that value to add to: it then writes the
 * sum at once instead of a result that is read again. onnxruntime does so itself where both values are blocked when it looks, which
 * what `keepBlocked` keeps blocked is not yet.
 * @param dimsOf dims of a frame of a blocked value
 */
export function fuseSums(
  nodes: readonly NodeProto[],
  outputs: ReadonlySet<string>,
  dimsOf: (name: string) => readonly number[] | undefined,
): NodeProto[] {
  const readers = new Map<string, number>();
  for (const { input = [] } of nodes) for (const name of input) readers.set(name, (readers.get(name) ?? 0) + 1);
  const convolutions = new Map(nodes.filter(isPlain).map((node) => [node.output![0]!, node]));
  /** What each sum becomes, and the convolutions that go into one. */
  const sums = new Map<NodeProto, NodeProto>();
  const fused = new Set<NodeProto>();
  for (const node of nodes) {
    if (node.opType !== "Add" || node.domain) continue;
    const [a, b] = node.input as [string, string];
    for (const [own, other] of [
      [b, a],
      [a, b],
    ] as const) {
      const conv = convolutions.get(own);
      const dims = dimsOf(own);
      if (!conv || a === b || readers.get(own) !== 1 || outputs.has(own)) continue;
      if (!dims || dimsOf(other)?.join() !== dims.join()) continue;
      const [x, w, bias = ""] = conv.input as [string, string, string?];
      sums.set(node, { ...conv, name: node.name, input: [x, w, bias, other], output: node.output });
      fused.add(conv);
      break;
    }
  }
  return nodes.filter((node) => !fused.has(node)).map((node) => sums.get(node) ?? node);
}

/** Whether a node is a blocked convolution that neither adds nor cuts anything yet. */
const isPlain = ({ domain, opType, input = [], attribute = [] }: NodeProto): boolean =>
  domain === NCHWC && opType === "Conv" && !input[3] && !attribute.some(({ name }) => name?.startsWith("activation"));
