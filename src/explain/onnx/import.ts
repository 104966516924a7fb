import { ModelError } from "../../errors.js";
import { elements, type Network } from "../network/network.js";
import { Budget } from "./budget.js";
import { refuseWeights } from "./finite.js";
import { foldNode, refuseRandom } from "./fold-node.js";
import { Importer, Node } from "./importer.js";
import { branchOf, capturedBy, refuseSize, writeOut } from "./inline.js";
import { FrameMemory, refuseClasses, refuseInput, refuseOperands } from "./limits.js";
import { OPERATORS, REFUSED } from "./operators/index.js";
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
  const output = graph.output[0]?.name;
  const needed = nodesBehind([output ?? ""], graph.node);
  refuseSize(needed.size);
  const weights = new Map(graph.initializer.map((tensor) => [tensor.name ?? "", readTensor(tensor, external)]));
  const numbers = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0);
  const importer = new Importer(opset, new Budget(numbers));
  for (const [name, constant] of weights) importer.constants.set(name, constant);
  const inputs = graph.input.filter((i) => !importer.constants.has(i.name));
  if (inputs.length !== 1)
    throw new ModelError(
      "model-inputs",
      `the model has ${inputs.length} inputs (${inputs.map((i) => i.name).join(", ") || "none"}), and a classifier has one, the picture.`,
    );
  const [input] = inputs as [ValueInfo];
  const dims = inputDims(input, inputShape);
  importer.memory = new FrameMemory(dims);
  const inputId = importer.newTensor([-1, ...dims]);
  importer.tensors.set(input.name, inputId);
  importer.constants.set("", { dims: [], data: new Float32Array(), integer: false });
  importer.constants.delete("");

  const nodes = graph.node.filter((proto) => needed.has(proto));
  const open = nodes.toReversed();
  let index = 0;
  for (let proto = open.pop(); proto; proto = open.pop()) {
    refuseSize(index + open.length);
    const node = new Node(proto, index++, external);
    if (node.op === "If") open.push(...taken(importer, node, proto, external).reverse());
    else importNode(importer, node, proto, nodes);
  }

  const outputId = output === undefined ? undefined : importer.tensors.get(output);
  if (outputId === undefined)
    throw new ModelError(
      "model-output",
      `the model's output "${output ?? ""}" does not depend on its input "${input.name}"; give the file of a classifier.`,
    );
  const shape = importer.shape(outputId);
  const classes = elements(shape);
  refuseClasses(classes);
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

/** The nodes that tensors depend on; others, such as those of further outputs, take no part in the decision. */
function nodesBehind(tensors: readonly string[], nodes: readonly NodeProto[]): Set<NodeProto> {
  const makers = new Map(nodes.flatMap((node) => (node.output ?? []).map((name) => [name, node] as const)));
  const needed = new Set<NodeProto>();
  const open = [...tensors];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const node = name === "" ? undefined : makers.get(name);
    if (!node || needed.has(node)) continue;
    needed.add(node);
    for (const input of node.input ?? []) open.push(input);
    for (const input of capturedBy(node)) open.push(input);
  }
  return needed;
}

/** The nodes of the branch that a condition known beforehand takes. */
function taken(importer: Importer, node: Node, proto: NodeProto, external: ExternalReader): NodeProto[] {
  const condition = importer.constant(node, 0)?.data;
  if (condition?.length !== 1)
    importer.refuse(node, "which branch it takes depends on the picture, and relevance follows one way");
  const name = condition[0] ? "then_branch" : "else_branch";
  const graph = proto.attribute?.find((a) => a.name === name)?.g;
  if (!graph) importer.refuse(node, `it has no ${name}`);
  const branch = branchOf(proto, graph);
  for (const tensor of branch.initializer) importer.constants.set(tensor.name ?? "", readTensor(tensor, external));
  const behind = nodesBehind(proto.output ?? [], branch.node);
  return branch.node.filter((inner) => behind.has(inner));
}

const isKnown = ({ opType }: NodeProto): boolean => Object.hasOwn(OPERATORS, opType);

/** What else stands in the way, so that nobody has to mend one node at a time. */
function others(importer: Importer, proto: NodeProto, nodes: readonly NodeProto[]): string {
  const constant = new Set(importer.constants.keys());
  const rest = nodes.filter((n) => {
    const inputs = (n.input ?? []).filter((name) => name !== "");
    const folds = inputs.length > 0 ? inputs.every((name) => constant.has(name)) : n.opType === "Constant";
    if (folds || n.opType === "Shape" || n.opType === "Size") for (const name of n.output ?? []) constant.add(name);
    return n !== proto && !folds && !isKnown(n);
  });
  if (rest.length === 0) return "";
  const listed = rest.slice(0, 8).map((n) => `"${n.name || n.output?.[0] || ""}" (${n.opType})`);
  return `, nor ${listed.join(", ")}${rest.length > listed.length ? ` and ${rest.length - listed.length} more` : ""}`;
}

function importNode(importer: Importer, node: Node, proto: NodeProto, nodes: readonly NodeProto[]): void {
  const domain = proto.domain ?? "";
  if (!DOMAINS.has(domain))
    importer.refuse(node, `it comes from the operator set "${domain}", and only the standard ONNX operators are known`);
  refuseOperands(importer, node);
  refuseRandom(importer, node);
  const constants = node.inputs.map((name) => (name ? importer.constants.get(name) : undefined));
  const given = node.inputs.filter((name) => name !== "");
  const operator = Object.hasOwn(OPERATORS, node.op) ? OPERATORS[node.op] : undefined;
  if (given.length > 0 && node.inputs.every((name, k) => !name || constants[k])) {
    if (OF_CONSTANTS.has(node.op)) operator?.(importer, node);
    else foldNode(importer, node, constants);
    return;
  }
  if (Object.hasOwn(REFUSED, node.op)) REFUSED[node.op]!(importer, node);
  if (!operator)
    importer.refuse(
      node,
      `no rule says how relevance crosses it${others(importer, proto, nodes)}; known are ${Object.keys(OPERATORS).sort().join(", ")}`,
    );
  const from = importer.layers.length;
  operator(importer, node);
  refuseWeights(importer, node, from);
}

/** Operators whose own import knows what to do with constants: the batch is in their results. */
const OF_CONSTANTS = new Set(["Shape", "Size", "ConstantOfShape"]);

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
  refuseInput(input.name, dims);
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
  refuseSize(graph.node.length);
  const nodes = writeOut(graph.node, message.functions ?? []);
  return {
    opset: message.opsetImport?.find((o) => !o.domain || o.domain === "ai.onnx"),
    node: nodes,
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
