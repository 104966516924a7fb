import { InputError, ModelError } from "../../errors.js";
import { listed, truncateMiddle } from "../../truncate.js";
import { elements, type Network } from "../network/network.js";
import {
  decodeModel,
  ElementType,
  type ModelMessage,
  type NodeProto,
  typeName,
  type ValueInfo,
} from "../proto/onnx.js";
import { Budget } from "./budget.js";
import { isWritten, written } from "./expansions/index.js";
import { refuseWeights } from "./finite.js";
import { foldNode, refuseRandom } from "./fold-node.js";
import { FrameMemory } from "./frame-memory.js";
import { hideScores, refuseShown } from "./hidden-scores.js";
import { hintsOfFirstLayer, type InputHints } from "./hints.js";
import { Importer, Node } from "./importer.js";
import { branchOf, capturedBy, refuseSize, writeOut } from "./inline.js";
import { inputDims, pictureInput } from "./input.js";
import { refuseClasses, refuseLists, refuseOperands } from "./limits.js";
import { readFrameScales } from "./operators/frame-scales.js";
import { OPERATORS, REFUSED } from "./operators/index.js";
import {
  type Candidate,
  chooseOutput,
  type GraphOutput,
  isRow,
  namedOutput,
  nameOf,
  refuseCrowd,
  requireScores,
} from "./outputs.js";
import { type ExternalReader, isFloating, readTensor, typeOf } from "./tensor.js";
import { passWhole } from "./whole-numbers.js";

const OPSETS = { oldest: 7, newest: 23 };
const DOMAINS = new Set(["", "ai.onnx"]);

/** What an import is told beside the file. */
export interface ImportOptions {
  /** Of the input, where the file leaves its dims open. */
  input?: InputHints;
  /** Name of the output that holds the scores. */
  output?: string;
  /** Is told in a sentence what was decided that could have been decided otherwise. */
  note?: (sentence: string) => void;
}

/**
 * Reads an ONNX classifier into a Network.
 * @param bytes the file
 * @param external reads weights kept beside the file; without it such files are refused
 * @throws ModelError naming the node and operator that cannot be explained, or what is wrong with the file
 */
export function importOnnx(
  bytes: Uint8Array,
  external: ExternalReader = refuseExternal,
  options: ImportOptions = {},
): Network {
  try {
    return importGraph(decode(bytes), external, options);
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw new ModelError("model-corrupt", "the model file is damaged or uses ONNX in an unknown way; export it again", {
      cause,
    });
  }
}

/** What an import reads of a model message. */
export interface GraphMessage {
  opset: { version?: number } | undefined;
  node: NodeProto[];
  initializer: NonNullable<NonNullable<ModelMessage["graph"]>["initializer"]>;
  input: ValueInfo[];
  output: GraphOutput[];
}

/** Reads a classifier from a message that is decoded already; parameters and errors as those of `importOnnx`. */
export function importGraph(graph: GraphMessage, external: ExternalReader, options: ImportOptions = {}): Network {
  const opset = graph.opset?.version ?? 0;
  if (opset < OPSETS.oldest || opset > OPSETS.newest)
    throw new ModelError(
      "model-opset",
      `the model uses ONNX opset ${opset || "none"}, and ${OPSETS.oldest} to ${OPSETS.newest} are known; export it with opset 18`,
    );
  const outputs = distinct(graph.output);
  const named = namedOutput(outputs, options.output);
  const makers = makersOf(graph.node);
  const only = named ?? (outputs.length === 1 ? outputs[0] : undefined);
  if (!only) {
    refuseCrowd(outputs);
    const candidates = importAll(graph, outputs, makers, opset, external, options);
    const { chosen, sentence } = chooseOutput(candidates, makers, (name) => nodesBehind([name], makers));
    options.note?.(sentence);
    // Once more for this one alone: a refusal then names all that stands in its way, and nothing is kept of the others.
    return ofOutput(chosen.output, outputs, (output) => importGraph(graph, external, { ...options, output }));
  }
  requireScores(only, makers);
  const { importer, input, inputId, inputType } = begin(graph, opset, external, options);
  const needed = nodesBehind([only.name], makers);
  refuseSize(needed.size);
  const nodes = graph.node.filter((proto) => needed.has(proto));
  readNodes(importer, nodes, external, (proto, node) => importNode(importer, node, proto, nodes));
  const outputId = importer.tensors.get(only.name);
  if (outputId === undefined)
    throw new ModelError(
      "model-output",
      `the model's output "${nameOf(only)}" does not depend on its input "${input.name}"; give the file of a classifier`,
    );
  const shape = importer.shape(outputId);
  refuseClasses(elements(shape));
  if (!isRow(shape))
    throw new ModelError(
      "model-output",
      `the model's output "${nameOf(only)}" has dims [N, ${shape.slice(1).join(", ")}], and a classifier gives one row of class scores a frame, [N, classes]`,
    );
  refuseShown(importer, outputId);
  return {
    input: inputId,
    output: outputId,
    layers: importer.layers,
    shapes: importer.shapes,
    final: "none",
    nextId: importer.nextId,
    ...(inputType !== undefined && { inputType }),
    ...(importer.weightTypes.size > 0 && { weightTypes: [...importer.weightTypes].map(typeName) }),
  };
}

/** What stands in the way of one output is no reason not to name another. */
function ofOutput<T>(chosen: GraphOutput, outputs: readonly GraphOutput[], work: (name: string) => T): T {
  const name = nameOf(chosen);
  try {
    return work(name);
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    const others = listed(outputs.filter((o) => o !== chosen).map(nameOf));
    throw new ModelError(
      error.code,
      `${error.reason}; so it is with its output "${name}", others are ${others}: name one as "output" in its card`,
      { cause: error },
    );
  }
}

/** An importer that knows the constants and the input of a graph. */
function begin(graph: GraphMessage, opset: number, external: ExternalReader, options: ImportOptions) {
  const weights = new Map(graph.initializer.map((tensor) => [tensor.name ?? "", readTensor(tensor, external)]));
  const numbers = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0);
  const importer = new Importer(opset, new Budget(numbers));
  for (const [name, constant] of weights) {
    importer.constants.set(name, constant);
    const type = typeOf(constant);
    if (isFloating(type) && type !== ElementType.float && constant.data.length > 1) importer.weightTypes.add(type);
  }
  const input = pictureInput(graph.input.filter((i) => !importer.constants.has(i.name)));
  const dims = inputDims(input, options.input ?? {}, () =>
    hintsOfFirstLayer(input.name, graph.node, (name) => importer.constants.get(name)?.dims),
  );
  importer.memory = new FrameMemory(dims);
  importer.oneFrame = input.type?.tensorType?.shape?.dim?.[0]?.dimValue === 1;
  const inputId = importer.newTensor([-1, ...dims]);
  importer.tensors.set(input.name, inputId);
  const type = input.type?.tensorType?.elemType ?? 0;
  const isWhole = type !== 0 && !isFloating(type);
  if (isWhole) importer.whole.set(input.name, { scale: 1, zero: 0, type });
  return { importer, input, inputId, ...(isWhole && { inputType: typeName(type) }) };
}

/** Imports all that any output depends on; what stands in the way of one leaves the others alone. */
function importAll(
  graph: GraphMessage,
  outputs: readonly GraphOutput[],
  makers: ReadonlyMap<string, NodeProto>,
  opset: number,
  external: ExternalReader,
  options: ImportOptions,
): Candidate[] {
  const { importer } = begin(graph, opset, external, options);
  const refusals = new Map<string, unknown>();
  const names = outputs.map((o) => o.name);
  const needed = nodesBehind(names, makers);
  refuseSize(needed.size);
  const nodes = graph.node.filter((proto) => needed.has(proto));
  readNodes(importer, nodes, external, (proto, node) => importNode(importer, node, proto, []), refusals);
  return outputs.map((output) => {
    const id = importer.tensors.get(output.name);
    const dims = id === undefined ? undefined : importer.shape(id);
    return { output, dims, refusal: output.refusal ?? refusals.get(output.name) };
  });
}

const makersOf = (nodes: readonly NodeProto[]): Map<string, NodeProto> =>
  new Map(nodes.flatMap((node) => (node.output ?? []).map((name) => [name, node] as const)));

/** A file may list one tensor twice. */
const distinct = (outputs: readonly GraphOutput[]): GraphOutput[] => [
  ...new Map(outputs.map((output) => [output.name, output])).values(),
];

/** The nodes that tensors depend on; others, such as those of further outputs, take no part in the decision. */
function nodesBehind(tensors: readonly string[], makers: ReadonlyMap<string, NodeProto>): Set<NodeProto> {
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

/**
 * Reads nodes one after the other; of those with branches, the nodes of the branch that is taken in their place, of fused
 * ones those that they stand for.
 * @param refusals gathers why tensors cannot be had, also those behind a node that cannot be read; without it that ends the import
 */
function readNodes(
  importer: Importer,
  nodes: readonly NodeProto[],
  external: ExternalReader,
  read: (proto: NodeProto, node: Node) => void,
  refusals?: Map<string, unknown>,
): void {
  const open = nodes.toReversed();
  let index = 0;
  for (let proto = open.pop(); proto; proto = open.pop()) {
    refuseSize(index + open.length);
    const node = new Node(proto, index++, external);
    try {
      const before = proto.input?.find((name) => name !== "" && refusals?.has(name));
      if (before !== undefined) throw refusals!.get(before);
      const plain = node.op === "If" ? taken(importer, node, proto, external) : written(importer, node, proto);
      if (plain) open.push(...plain.reverse());
      else read(proto, node);
    } catch (refusal) {
      if (!refusals) throw refusal;
      for (const name of proto.output ?? []) refusals.set(name, refusal);
    }
  }
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
  const behind = nodesBehind(proto.output ?? [], makersOf(branch.node));
  return branch.node.filter((inner) => behind.has(inner));
}

const isKnown = (proto: NodeProto): boolean => Object.hasOwn(OPERATORS, proto.opType) || isWritten(proto);

/** What else stands in the way, so that nobody has to mend one node at a time. */
function others(importer: Importer, proto: NodeProto, nodes: readonly NodeProto[]): string {
  const constant = new Set(importer.constants.keys());
  const rest = nodes.filter((n) => {
    const inputs = (n.input ?? []).filter((name) => name !== "");
    const folds = inputs.length > 0 ? inputs.every((name) => constant.has(name)) : n.opType === "Constant";
    if (folds || n.opType === "Shape" || n.opType === "Size") for (const name of n.output ?? []) constant.add(name);
    return n !== proto && !folds && !isKnown(n);
  });
  const names = rest.map((n) => `"${truncateMiddle(n.name || n.output?.[0] || "", 40)}" (${n.opType})`);
  return names.length === 0 ? "" : `, nor ${listed(names)}`;
}

const QUANTISED = /[Qq]uantize|^Q(?:Linear|Attention|Gemm|Embed|Ordered)|Integer|NBits$/;

/** Why no rule crosses a node. */
function refuseUnknown(importer: Importer, node: Node, proto: NodeProto, nodes: readonly NodeProto[]): never {
  if (QUANTISED.test(node.op))
    throw new ModelError(
      "model-quantised",
      `the model is quantised to whole numbers, and no rule says how relevance crosses node "${node.name}" (operator ${node.shown}); give its float32 file, from before it was quantised`,
    );
  return importer.refuse(node, `no rule says how relevance crosses it${others(importer, proto, nodes)}`);
}

/** Operators whose own import knows what to do with constants: the batch is in their results. */
const OF_CONSTANTS = new Set(["Shape", "Size", "ConstantOfShape", "QuantizeLinear", "DequantizeLinear"]);
/** Operators of onnxruntime's own that mean the same as the standard's, for more types. */
const OF_MICROSOFT = new Set(["QuantizeLinear", "DequantizeLinear"]);

function importNode(importer: Importer, node: Node, proto: NodeProto, nodes: readonly NodeProto[]): void {
  const domain = proto.domain ?? "";
  const isStandard = DOMAINS.has(domain) || (domain === "com.microsoft" && OF_MICROSOFT.has(node.op));
  if (!isStandard && QUANTISED.test(node.op)) refuseUnknown(importer, node, proto, nodes);
  if (domain === "com.microsoft.nchwc")
    importer.refuse(
      node,
      "onnxruntime has laid the network out for one kind of processor; save it with optimisation level extended instead of all, or give the file from before",
    );
  if (!isStandard)
    importer.refuse(node, `it comes from the operator set "${domain}", and only the standard ONNX operators are known`);
  refuseOperands(importer, node);
  refuseLists(importer, node);
  refuseRandom(importer, node);
  if (readFrameScales(importer, node)) return;
  const constants = node.inputs.map((name) => (name ? importer.constants.get(name) : undefined));
  const given = node.inputs.filter((name) => name !== "");
  const operator = Object.hasOwn(OPERATORS, node.op) ? OPERATORS[node.op] : undefined;
  if (given.length > 0 && node.inputs.every((name, k) => !name || constants[k])) {
    if (OF_CONSTANTS.has(node.op)) operator?.(importer, node);
    else foldNode(importer, node, constants);
    return;
  }
  if (node.op !== "Gather" && constants.some((c) => c?.step))
    importer.refuse(node, "what it does to a frame depends on where the frame stands in the batch");
  if (Object.hasOwn(REFUSED, node.op)) REFUSED[node.op]!(importer, node);
  if (!operator) return refuseUnknown(importer, node, proto, nodes);
  const from = importer.layers.length;
  operator(importer, node);
  passWhole(importer, node, from);
  hideScores(importer, node, from);
  refuseWeights(importer, node, from);
}

function decode(bytes: Uint8Array): GraphMessage {
  let message: ModelMessage;
  try {
    message = decodeModel(bytes);
  } catch (cause) {
    throw new ModelError("model-corrupt", "the model file is not an ONNX file or is damaged; export it again", {
      cause,
    });
  }
  const graph = message.graph;
  if (!graph?.node?.length || !graph.output?.length)
    throw new ModelError(
      "model-corrupt",
      "the model file is not an ONNX file or is damaged (it holds no graph); export it again",
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
    `the model keeps its weights in another file, "${location}", which is not beside it; copy it there`,
  );
}
