import { ModelError } from "../../errors.js";
import { elements, type Network } from "../network/network.js";
import { FOLDS } from "./fold.js";
import { BATCH, Importer, MOST_ELEMENTS, Node } from "./importer.js";
import { OPERATORS } from "./operators/index.js";
import { ElementType, type ModelMessage, ModelProto, type NodeProto, toNumber, type ValueInfo } from "./proto.js";
import { type ExternalReader, readTensor } from "./tensor.js";

const OPSETS = { oldest: 7, newest: 23 };
const DOMAINS = new Set(["", "ai.onnx"]);

/**
 * Reads an ONNX classifier into a Network.
 * @param bytes the file
 * @param external reads weights kept beside the file; without it such files are refused
 * @param inputShape dims without the batch, for files that leave them open
 * @throws ModelError naming the node and operator that cannot be explained, or what is wrong with the file
 */
export function importOnnx(
  bytes: Uint8Array,
  external: ExternalReader = refuseExternal,
  inputShape?: readonly number[],
): Network {
  try {
    return importGraph(decode(bytes), external, inputShape);
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    throw new ModelError(
      "model-corrupt",
      "the model file is damaged or uses ONNX in an unknown way; export it again.",
      { cause },
    );
  }
}

/** What an import reads of a model message. */
export interface GraphMessage {
  opset: { version?: Parameters<typeof toNumber>[0] } | undefined;
  node: NodeProto[];
  initializer: NonNullable<NonNullable<ModelMessage["graph"]>["initializer"]>;
  input: ValueInfo[];
  output: ValueInfo[];
}

/** Reads a classifier from a message that is decoded already; parameters and errors as those of `importOnnx`. */
export function importGraph(
  graph: GraphMessage,
  external: ExternalReader,
  inputShape: readonly number[] | undefined,
): Network {
  const opset = toNumber(graph.opset?.version, 0);
  if (opset < OPSETS.oldest || opset > OPSETS.newest)
    throw new ModelError(
      "model-opset",
      `the model uses ONNX opset ${opset || "none"}, and ${OPSETS.oldest} to ${OPSETS.newest} are known; export it with opset 18.`,
    );
  const importer = new Importer(opset);
  for (const tensor of graph.initializer) importer.constants.set(tensor.name ?? "", readTensor(tensor, external));
  const inputs = graph.input.filter((i) => !importer.constants.has(i.name));
  if (inputs.length !== 1)
    throw new ModelError(
      "model-inputs",
      `the model has ${inputs.length} inputs (${inputs.map((i) => i.name).join(", ") || "none"}), and a classifier has one, the picture.`,
    );
  const [input] = inputs as [ValueInfo];
  const dims = inputDims(input, inputShape);
  const inputId = importer.newTensor([-1, ...dims]);
  importer.tensors.set(input.name, inputId);
  importer.constants.set("", { dims: [], data: new Float32Array(), integer: false });
  importer.constants.delete("");

  const output = graph.output[0]?.name;
  const needed = nodesBehind(output ?? "", graph.node);
  const unknown = [...needed].filter((proto) => !isKnown(proto)).reverse();
  graph.node.forEach((proto, index) => {
    if (needed.has(proto)) importNode(importer, new Node(proto, index, external), proto.domain ?? "", unknown);
  });

  const outputId = output === undefined ? undefined : importer.tensors.get(output);
  if (outputId === undefined)
    throw new ModelError(
      "model-output",
      `the model's output "${output ?? ""}" does not depend on its input "${input.name}"; give the file of a classifier.`,
    );
  const shape = importer.shape(outputId);
  const classes = elements(shape);
  if (Math.max(...shape.slice(1)) !== classes)
    throw new ModelError(
      "model-output",
      `the model's output has dims [N, ${shape.slice(1).join(", ")}], and a classifier gives one row of class scores a frame, [N, classes].`,
    );
  return {
    input: inputId,
    output: outputId,
    layers: importer.layers,
    shapes: importer.shapes,
    final: "none",
    inputName: input.name,
    nextId: importer.nextId,
  };
}

/** The nodes that a tensor depends on; others, such as those of further outputs, take no part in the decision. */
function nodesBehind(tensor: string, nodes: readonly NodeProto[]): Set<NodeProto> {
  const makers = new Map(nodes.flatMap((node) => (node.output ?? []).map((name) => [name, node] as const)));
  const needed = new Set<NodeProto>();
  const open = [tensor];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const node = name === "" ? undefined : makers.get(name);
    if (!node || needed.has(node)) continue;
    needed.add(node);
    open.push(...(node.input ?? []));
  }
  return needed;
}

const isKnown = ({ opType }: NodeProto): boolean => Object.hasOwn(OPERATORS, opType) || Object.hasOwn(FOLDS, opType);

/** What else stands in the way, so that nobody has to mend one node at a time. */
function others(node: Node, unknown: readonly NodeProto[]): string {
  const rest = unknown.filter((n) => n.name !== node.name || n.opType !== node.op);
  if (rest.length === 0) return "";
  const listed = rest.slice(0, 8).map((n) => `"${n.name || n.output?.[0] || ""}" (${n.opType})`);
  return `, nor ${listed.join(", ")}${rest.length > listed.length ? ` and ${rest.length - listed.length} more` : ""}`;
}

function importNode(importer: Importer, node: Node, domain: string, unknown: readonly NodeProto[]): void {
  if (!DOMAINS.has(domain))
    importer.refuse(node, `it comes from the operator set "${domain}", and only the standard ONNX operators are known`);
  const operator = Object.hasOwn(OPERATORS, node.op) ? OPERATORS[node.op] : undefined;
  const constants = node.inputs.map((name) => (name ? importer.constants.get(name) : undefined));
  const allConstant = node.inputs.length > 0 && node.inputs.every((name, k) => !name || constants[k]);
  const fold = allConstant && Object.hasOwn(FOLDS, node.op) ? FOLDS[node.op] : undefined;
  if (fold) {
    const folded = fold(
      constants.map((c) => c!),
      node,
    );
    if (folded) return importer.setConstant(node, folded);
  }
  if (!operator || (allConstant && node.op !== "ConstantOfShape"))
    importer.refuse(
      node,
      `no rule says how relevance crosses it${others(node, unknown)}; known are ${Object.keys(OPERATORS).sort().join(", ")}`,
    );
  operator(importer, node);
}

function inputDims(input: ValueInfo, given: readonly number[] | undefined): number[] {
  const tensor = input.type?.tensorType;
  if (tensor?.elemType !== undefined && tensor.elemType !== ElementType.float)
    throw new ModelError(
      "model-input",
      `the model's input "${input.name}" has element type ${tensor.elemType}, and float32 (1) is needed; export it with a float32 input.`,
    );
  const dims = (tensor?.shape?.dim ?? []).slice(1).map((d, k) => toNumber(d.dimValue) || given?.[k] || 0);
  if (dims.length === 0 && given) dims.push(...given);
  if (dims.length === 0 || dims.some((d) => d <= 0))
    throw new ModelError(
      "model-input",
      `the model's input "${input.name}" leaves its size open ([N, ${dims.map((d) => d || "?").join(", ")}]); give input width and height in its card model.yaml.`,
    );
  if (dims.some((d) => d % BATCH === 0) || elements(dims) > MOST_ELEMENTS)
    throw new ModelError("model-input", `the model's input "${input.name}" has an impossible size ${dims.join("x")}.`);
  return dims;
}

function decode(bytes: Uint8Array): GraphMessage {
  let message: ModelMessage;
  try {
    message = ModelProto.decode(bytes) as unknown as ModelMessage;
  } catch (cause) {
    throw new ModelError("model-corrupt", "the model file is not an ONNX file or is damaged; export it again.", {
      cause,
    });
  }
  const graph = message.graph;
  if (!graph?.node?.length || !graph.output?.length)
    throw new ModelError(
      "model-corrupt",
      "the model file is not an ONNX file or is damaged (it holds no graph); export it again.",
    );
  return {
    opset: message.opsetImport?.find((o) => !o.domain || o.domain === "ai.onnx"),
    node: graph.node,
    initializer: graph.initializer ?? [],
    input: graph.input ?? [],
    output: graph.output,
  };
}

function refuseExternal(location: string): never {
  throw new ModelError(
    "model-external",
    `the model keeps its weights in another file, "${location}", which is not beside it; copy it there.`,
  );
}
