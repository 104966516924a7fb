import { ModelError } from "../../errors.js";
import type { Layer, LayerKind, LayerOf, TensorId, Weights } from "../network/network.js";
import type { AttributeProto, NodeProto, TensorProto } from "../proto/onnx.js";
import { BATCH } from "./batch.js";
import type { Budget } from "./budget.js";
import type { FrameMemory } from "./frame-memory.js";
import { type Constant, type ExternalReader, MAX_AXES, readTensor } from "./tensor.js";
import { FIRST, fileDims, isFirst, type Place, type View } from "./view.js";
import { FrameScales, type Whole } from "./whole.js";

/** Numbers as they are shown: the batch as N, what it was multiplied with as a factor. */
const withoutMarkers = (text: string): string =>
  text.replace(/(?<![\w."/])-?\d{7,}(?![\w."/])/g, (digits) => {
    const times = Number(digits) / BATCH;
    return Number.isInteger(times) ? (times === 1 ? "N" : `${times}*N`) : digits;
  });

/** Tensors of attributes that were read: the node of a function stands in as many places as the function is called in. */
const READ = new WeakMap<TensorProto, Constant>();

/** A node of the model file with typed access to its attributes. */
export class Node {
  readonly op: string;
  /** The operator as the model file calls it. */
  readonly shown: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  #attributes: Map<string, AttributeProto>;
  #external: ExternalReader;

  constructor(proto: NodeProto, index: number, external: ExternalReader) {
    this.op = proto.opType;
    this.shown = proto.shown ?? proto.opType;
    this.inputs = proto.input ?? [];
    this.outputs = proto.output ?? [];
    this.name = proto.name || this.outputs[0] || `node ${index}`;
    this.#attributes = new Map((proto.attribute ?? []).map((a) => [a.name, a]));
    this.#external = external;
  }
  has(name: string): boolean {
    return this.#attributes.has(name);
  }
  int(name: string, fallback: number): number {
    return this.#attributes.get(name)?.i ?? (this.#attributes.has(name) ? 0 : fallback);
  }
  float(name: string, fallback: number): number {
    return this.#attributes.get(name)?.f ?? (this.#attributes.has(name) ? 0 : fallback);
  }
  ints(name: string): readonly number[] | undefined {
    return this.#attributes.get(name)?.ints;
  }
  floats(name: string): number[] | undefined {
    return this.#attributes.get(name)?.floats;
  }
  text(name: string, fallback: string): string {
    const s = this.#attributes.get(name)?.s;
    return s?.length ? new TextDecoder().decode(s) : fallback;
  }
  /** All of them, as they stand in the file. */
  get attributes(): AttributeProto[] {
    return [...this.#attributes.values()];
  }
  tensor(name: string): Constant | undefined {
    const t = this.#attributes.get(name)?.t;
    if (!t) return undefined;
    const known = READ.get(t);
    if (known) return known;
    const constant = readTensor(t, this.#external);
    READ.set(t, constant);
    return constant;
  }
}

/** Scores that a layer hides from a softmax, adding −∞ or putting it in their place as its mask says. */
export interface HiddenScores {
  node: Node;
  layer: Layer;
  mask: Weights;
}

/** What an import has gathered so far; operators read their operands from it and push layers into it. */
export class Importer {
  readonly layers: Layer[] = [];
  readonly shapes = new Map<TensorId, readonly number[]>();
  readonly constants = new Map<string, Constant>();
  readonly tensors = new Map<string, TensorId>();
  /** Where the batch stands in tensors of the file that do not have it first and alone. */
  readonly #places = new Map<string, Place>();
  /** What constants that were computed here were computed from. */
  readonly madeFrom = new Map<string, readonly string[]>();
  /** What reads them is looked at in the end. */
  readonly hidden: HiddenScores[] = [];
  /** Tensors of whole numbers, by name, with what they stand for. */
  readonly whole = new Map<string, Whole>();
  readonly frameScales = new FrameScales();
  /** Element types of weights that the network has in float32. */
  readonly weightTypes = new Set<number>();
  /** Of one frame, once the input is known. */
  memory: FrameMemory | undefined;
  /** Whether the file was written for batches of one frame. */
  oneFrame = false;
  nextId: TensorId = 0;

  constructor(
    readonly opset: number,
    readonly budget: Budget,
  ) {}

  refuse(node: Node, reason: string): never {
    throw new ModelError(
      "model-unsupported",
      `node "${node.name}" (operator ${node.shown}) cannot be explained: ${withoutMarkers(reason)}`,
    );
  }

  newTensor(shape: readonly number[]): TensorId {
    const id = this.nextId++;
    this.shapes.set(id, shape);
    return id;
  }

  /** The constant that an operand is, if it is one and is given at all. */
  constant(node: Node, index: number): Constant | undefined {
    const name = node.inputs[index];
    return name ? this.constants.get(name) : undefined;
  }

  /** A constant operand that the operator cannot do without. */
  weight(node: Node, index: number, what: string): Constant {
    const constant = this.constant(node, index);
    if (!constant)
      this.refuse(node, `its ${what} is computed while the model runs, and only constants can be explained`);
    return constant;
  }

  /** A tensor that has the batch first and alone. */
  tensor(node: Node, index: number): TensorId {
    const { id, place } = this.view(node, index);
    if (!isFirst(place))
      this.refuse(
        node,
        place.inner * place.outer > 1
          ? `its input holds ${place.inner * place.outer} parts of each frame along the batch, and this operator is known only on whole frames`
          : `its input has the batch on axis ${place.axis}, and this operator is known only with the batch first`,
      );
    return id;
  }

  /** A tensor as the file sees it, the batch wherever it stands. */
  view(node: Node, index: number): View {
    const name = node.inputs[index];
    const id = name ? this.tensors.get(name) : undefined;
    if (id === undefined)
      this.refuse(
        node,
        name && this.constants.has(name)
          ? `its input "${name}" is a constant`
          : `its input "${name ?? index}" is not made by any earlier node`,
      );
    return this.viewOf(id, this.placeOf(name!));
  }

  viewOf(id: TensorId, place: Place = FIRST): View {
    return { id, place, dims: fileDims(this.shape(id), place) };
  }

  /** What the node has made so far. */
  made(node: Node): View {
    const name = node.outputs[0]!;
    return this.viewOf(this.tensors.get(name)!, this.placeOf(name));
  }

  placeOf(name: string): Place {
    return this.#places.get(name) ?? FIRST;
  }

  #name(name: string, id: TensorId, place: Place): void {
    this.tensors.set(name, id);
    if (isFirst(place)) this.#places.delete(name);
    else this.#places.set(name, place);
  }

  isTensor(node: Node, index: number): boolean {
    const name = node.inputs[index];
    return name !== undefined && this.tensors.has(name);
  }

  shape(id: TensorId): readonly number[] {
    return this.shapes.get(id)!;
  }

  /** Adds a layer whose outputs are the node's, with the given shapes; in the file they have the batch at `place`. */
  push<K extends LayerKind>(
    node: Node,
    kind: K,
    inputs: TensorId[],
    shapes: (readonly number[])[],
    fields: Omit<LayerOf<K>, "kind" | "name" | "operator" | "inputs" | "outputs">,
    place: Place = FIRST,
  ): TensorId[] {
    const axes = Math.max(0, ...shapes.map((dims) => dims.length));
    if (axes > MAX_AXES) this.refuse(node, `its output would have ${axes} axes, and up to ${MAX_AXES} are known`);
    for (const dims of shapes)
      if (dims.some((d, k) => !Number.isInteger(d) || (k === 0 ? d !== -1 : d <= 0)))
        this.refuse(
          node,
          `its output would have dims [${dims.join(", ")}], which does not keep the batch first or leaves nothing`,
        );
    this.memory?.take(this, node, shapes);
    const outputs = shapes.map((s) => this.newTensor(s));
    this.layers.push({ kind, name: node.name, operator: node.shown, inputs, outputs, ...fields } as unknown as Layer);
    outputs.forEach((id, k) => {
      const name = node.outputs[k];
      if (name) this.#name(name, id, place);
    });
    return outputs;
  }

  /** The node's output is its input under another name. */
  alias(node: Node, id: TensorId, place: Place = FIRST): void {
    const name = node.outputs[0];
    if (name) this.#name(name, id, place);
  }

  /** Another name for a tensor. */
  call(name: string, { id, place }: View): string {
    this.#name(name, id, place);
    return name;
  }

  setConstant(node: Node, constant: Constant, index = 0): void {
    const name = node.outputs[index];
    if (name) this.constants.set(name, constant);
  }
}

export type OperatorImport = (importer: Importer, node: Node) => void;

export const float32 = (c: Constant): Float32Array =>
  c.data instanceof Float32Array ? c.data : Float32Array.from(c.data);

/** Axis counted from the front. */
export const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** Axis counted from the front, refused where the tensor has no such axis. */
export function axisIn(importer: Importer, node: Node, axis: number, rank: number): number {
  const at = axisOf(axis, rank);
  if (!(Number.isInteger(at) && at >= 0 && at < rank))
    importer.refuse(node, `it names axis ${axis} of a tensor of ${rank} axes`);
  return at;
}
