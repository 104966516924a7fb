import { ModelError } from "../../errors.js";
import { elements, type Network } from "../network/network.js";
import { FOLDS } from "./fold.js";
import { BATCH, Importer, Node } from "./importer.js";
import { OPERATORS } from "./operators/index.js";
import { ElementType, type ModelMessage, ModelProto, toNumber, type ValueInfo } from "./proto.js";
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
  const graph = decode(bytes);
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

  graph.node.forEach((proto, index) => {
    importNode(importer, new Node(proto, index, external), proto.domain ?? "");
  });

  const output = graph.output[0]?.name;
  const outputId = output === undefined ? undefined : importer.tensors.get(output);
  if (outputId === undefined)
    throw new ModelError(
      "model-output",
      `the model's output "${output ?? ""}" does not depend on its input "${input.name}"; is this file a classifier?`,
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

function importNode(importer: Importer, node: Node, domain: string): void {
  const operator = OPERATORS[node.op];
  const constants = node.inputs.map((name) => (name ? importer.constants.get(name) : undefined));
  const allConstant = node.inputs.length > 0 && node.inputs.every((name, k) => !name || constants[k]);
  const fold = allConstant && node.op !== "ConstantOfShape" ? FOLDS[node.op] : undefined;
  if (fold) {
    const folded = fold(
      constants.map((c) => c!),
      node,
    );
    if (folded) return importer.setConstant(node, folded);
  }
  if (!DOMAINS.has(domain))
    importer.refuse(node, `it comes from the operator set "${domain}", and only the standard ONNX operators are known`);
  if (!operator || (allConstant && node.op !== "ConstantOfShape"))
    importer.refuse(
      node,
      `no rule says how relevance crosses it; known are ${Object.keys(OPERATORS).sort().join(", ")}`,
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
  if (dims.some((d) => d % BATCH === 0))
    throw new ModelError("model-input", `the model's input "${input.name}" has an impossible size ${dims.join("x")}.`);
  return dims;
}

function decode(bytes: Uint8Array): {
  opset: { version?: Parameters<typeof toNumber>[0] } | undefined;
  node: NonNullable<NonNullable<ModelMessage["graph"]>["node"]>;
  initializer: NonNullable<NonNullable<ModelMessage["graph"]>["initializer"]>;
  input: ValueInfo[];
  output: ValueInfo[];
} {
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
