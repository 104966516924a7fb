import { intOf, intsOf } from "../proto/node-attributes.js";
import type { NodeProto } from "../proto/onnx.js";

/** What is known of a picture that becomes the model's input from elsewhere than its file. */
export interface InputHints {
  channels?: number;
  height?: number;
  width?: number;
  layout?: "NCHW" | "NHWC";
  /** The layout where nothing else tells it; default NCHW. */
  otherwise?: "NCHW" | "NHWC";
}

/** Operators that leave the channels where they are. */
const THROUGH = new Set(
  [
    "Add Sub Mul Div Neg Pow Cast Identity Clip Relu Sigmoid Tanh Pad Dropout InstanceNormalization Round",
    "QuantizeLinear DequantizeLinear DynamicQuantizeLinear",
  ].flatMap((line) => line.split(" ")),
);
/** Operators by which weights become others of the same dims. */
const OF_WEIGHTS = new Set(["QuantizeLinear", "DequantizeLinear", "Cast", "Identity"]);
/** Which input of a convolution its weights are. */
const WEIGHTS: Record<string, number> = { Conv: 1, ConvInteger: 1, QLinearConv: 3 };

/**
 * What the first layer says of the input, for files that leave its dims open: a convolution knows its channels by its
 * weights, and what is transposed before it had them last.
 * @param dimsOf dims of a constant by name
 */
export function hintsOfFirstLayer(
  input: string,
  nodes: readonly NodeProto[],
  dimsOf: (name: string) => readonly number[] | undefined,
): InputHints {
  const makers = new Map(nodes.flatMap((node) => (node.output ?? []).map((name) => [name, node] as const)));
  /** Dims of weights, and of those that they are made from. */
  const dimsBehind = (name: string, depth = 0): readonly number[] | undefined => {
    const maker = makers.get(name);
    if (!maker || depth > DEEPEST || !OF_WEIGHTS.has(maker.opType)) return dimsOf(name);
    return dimsBehind(maker.input?.[0] ?? "", depth + 1);
  };
  const readers = new Map<string, NodeProto[]>();
  for (const node of nodes)
    for (const name of node.input ?? []) {
      const list = readers.get(name);
      if (list) list.push(node);
      else readers.set(name, [node]);
    }
  const seen = new Set<string>();
  const open: { name: string; turned: boolean }[] = [{ name: input, turned: false }];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const { name, turned } = at;
    if (seen.has(name)) continue;
    seen.add(name);
    for (const node of readers.get(name) ?? []) {
      const channels = node.input?.[0] === name ? channelsOf(node, dimsBehind) : undefined;
      if (channels !== undefined) return { channels, layout: turned ? "NHWC" : "NCHW" };
      const turns = node.opType === "Transpose" && !turned && intsOf(node, "perm")?.join() === "0,3,1,2";
      if (turns || THROUGH.has(node.opType)) open.push({ name: node.output?.[0] ?? "", turned: turned || turns });
    }
  }
  return {};
}

/** Steps from weights as the file holds them to those that are used. */
const DEEPEST = 8;

function channelsOf(node: NodeProto, dimsOf: (name: string) => readonly number[] | undefined): number | undefined {
  if (node.opType === "BatchNormalization") return dimsOf(node.input?.[1] ?? "")?.[0];
  const at = Object.hasOwn(WEIGHTS, node.opType) ? WEIGHTS[node.opType]! : undefined;
  const weights = at === undefined ? undefined : dimsOf(node.input?.[at] ?? "");
  if (weights?.length !== 4) return undefined;
  return weights[1]! * intOf(node, "group", 1);
}
