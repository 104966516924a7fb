import { ACTIVATIONS, BINARY, batchNormFactors, clipBounds, UNARY } from "./elementwise.js";
import { type Forward, liveInputs } from "./forward.js";
import { channelAxis, READS_IMAGE } from "./linear.js";
import { normalisedBy } from "./norms.js";
import { listAttribute, type OnnxNode } from "./onnx-reader.js";
import { broadcastIndex, stridesOf, type Tensor } from "./tensor.js";

/** What a network's graph says about its layers, beyond single nodes. */
export interface Structure {
  producer: Map<string, OnnxNode>;
  /** How many node inputs and graph outputs name a tensor. */
  readers: Map<string, number>;
  /** Tensors made from the image by one-to-one, reshaping or padding layers alone. */
  imageLike: Set<string>;
  /** Tensors with no linear layer between the image and them. */
  beforeLinear: Set<string>;
  /** The scores: the output before a final softmax or sigmoid. */
  logits: string;
  /** The operator that reads the scores at the end, if one does. */
  final?: string;
}

export function structureOf(run: Forward): Structure {
  const producer = new Map<string, OnnxNode>();
  const readers = new Map<string, number>();
  const read = (name: string): void => void readers.set(name, (readers.get(name) ?? 0) + 1);
  for (const node of run.model.nodes) {
    for (const name of node.outputs) producer.set(name, node);
    for (const name of node.inputs) read(name);
  }
  for (const name of run.model.outputs) read(name);

  const structure: Structure = {
    producer,
    readers,
    imageLike: new Set([run.image]),
    beforeLinear: new Set([run.image]),
    logits: "",
  };
  for (const node of run.model.nodes) {
    const norm = normalisedBy(run, structure, node);
    // Relevance crosses a layer norm by way of what it is a norm of.
    const live = norm?.centred ? [norm.x] : liveInputs(run, node);
    if (live.length === 0) continue;
    const all = (set: Set<string>): boolean => live.every((name) => set.has(name));
    const isSum = ["ReduceL1", "ReduceL2", "ReduceSumSquare"].includes(node.op);
    const isLinear = run.layers.has(node) || isSum || (node.op === "MatMul" && live.length === 2);
    if (all(structure.beforeLinear) && !isLinear) for (const name of node.outputs) structure.beforeLinear.add(name);
    const source = norm?.centred ? norm.x : oneToOneSource(run, structure, node);
    const keepsPixels = run.moves.has(node) ? all(structure.imageLike) : source && structure.imageLike.has(source);
    if (keepsPixels) for (const name of node.outputs) structure.imageLike.add(name);
  }
  structure.logits = findLogits(run, structure);
  const last = run.model.nodes.filter((node) => node.inputs.includes(structure.logits));
  structure.final = last.length === 1 ? last[0]!.op : undefined;
  return structure;
}

/** Walks back from the first output over moves to a softmax or sigmoid, and takes what that reads; else the output. */
function findLogits(run: Forward, { producer }: Structure): string {
  const output = run.model.outputs[0]!;
  for (let name = output; ; ) {
    const node = producer.get(name);
    if (node && ["Softmax", "LogSoftmax", "Sigmoid"].includes(node.op)) return node.inputs[0]!;
    if (!node || !run.moves.has(node) || node.inputs.length !== liveInputs(run, node).length) return output;
    name = node.inputs[0]!;
  }
}

/** `y = factor · x + shift` with constants: batch norm, or arithmetic with one constant. One factor per element of y. */
export function affine(run: Forward, node: OnnxNode): { x: string; factor: Float64Array } | undefined {
  const live = liveInputs(run, node);
  if (live.length !== 1) return undefined;
  const x = live[0]!;
  const y = run.values.get(node.outputs[0]!)!;
  if (node.op === "BatchNormalization") {
    const { scale } = batchNormFactors(
      node,
      node.inputs.map((name) => run.values.get(name)),
    );
    const plane = stridesOf(y.dims)[1]!;
    return { x, factor: y.data.map((_, j) => scale[Math.floor(j / plane) % y.dims[1]!]!) };
  }
  if (node.op === "Neg") return { x, factor: y.data.map(() => -1) };
  const constant = constantOf(run, node);
  if (!constant) return undefined;
  const at = broadcastIndex(constant.dims, y.dims);
  const each = (f: (c: number) => number): Float64Array => y.data.map((_, j) => f(constant.data[at[j]!]!));
  const first = node.inputs[0] === x;
  if (node.op === "Add") return { x, factor: each(() => 1) };
  if (node.op === "Sub") return { x, factor: each(() => (first ? 1 : -1)) };
  if (node.op === "Mul") return { x, factor: each((c) => c) };
  if (node.op === "Div" && first) return { x, factor: each((c) => 1 / c) };
  return undefined;
}

const constantOf = (run: Forward, node: OnnxNode): Tensor | undefined => {
  const name = node.inputs.find((input) => !run.live.has(input));
  return node.inputs.length === 2 && name ? run.values.get(name) : undefined;
};

/** An affine node whose constants differ from channel to channel of `axis` only. */
function isPerChannel(run: Forward, node: OnnxNode, axis: number): boolean {
  const y = run.values.get(node.outputs[0]!)!;
  if (node.op === "BatchNormalization") return axis === 1;
  if (node.op === "Neg") return true;
  const { dims } = constantOf(run, node)!;
  return dims.every((n, k) => n === 1 || k + y.dims.length - dims.length === axis);
}

const COPIES = new Set(["Identity", "Dropout", "Cast"]);

/** A linear node with the batch norms, scales and shifts after it that belong to it. */
export interface FoldedLayer {
  node: OnnxNode;
  /** Multiplies all weights into output j. */
  factor: Float64Array;
  /** Along which axis of the last folded node the weights differ from output to output. */
  axis: number;
  /** Which output of the linear node each element of the last folded node belongs to. */
  order: Int32Array;
}

/** The layer that ends in `node`: itself if linear; the layer before if `node` folds into it. */
export function foldedLayer(run: Forward, structure: Structure, node: OnnxNode): FoldedLayer | undefined {
  const layer = run.layers.get(node);
  if (layer) {
    const { length } = layer.bias;
    const inputs = node.inputs.map((name) => run.values.get(name));
    const axis = channelAxis(node, inputs, run.values.get(node.outputs[0]!)!.dims.length);
    return { node, factor: new Float64Array(length).fill(1), axis, order: Int32Array.from({ length }, (_, j) => j) };
  }
  const step = affine(run, node);
  const before = step && onlyMaker(run, structure, step.x);
  if (!before) return undefined;
  const inner = foldedLayer(run, structure, before.node);
  if (!inner || step.factor.length !== inner.factor.length) return undefined;
  const axis = axisAfter(run, structure, before.name, step.x, inner.axis);
  if (!isPerChannel(run, node, axis)) return undefined;
  const order = Int32Array.from(step.factor, (_, j) => inner.order[before.at(j)]!);
  const factor = Float64Array.from(inner.factor);
  step.factor.forEach((f, j) => {
    factor[order[j]!]! *= f;
  });
  return { node: inner.node, factor, axis, order };
}

interface Maker {
  node: OnnxNode;
  /** Its result. */
  name: string;
  /** Which of its elements element j of the tensor that was asked for is. */
  at(j: number): number;
}

/** The node whose result nothing but the reader of `name` sees, copies and transpositions left out. */
function onlyMaker(run: Forward, structure: Structure, name: string): Maker | undefined {
  if (structure.readers.get(name) !== 1) return undefined;
  const node = structure.producer.get(name);
  if (!node) return undefined;
  if (!COPIES.has(node.op) && node.op !== "Transpose") return { node, name, at: (j) => j };
  const [origin] = run.moves.get(node)!;
  const before = onlyMaker(run, structure, node.inputs[0]!);
  return before && { ...before, at: (j) => before.at(origin!.at[j]!) };
}

/** Where axis `axis` of the tensor `from` lies in `to`, with only copies and transpositions between them. */
function axisAfter(run: Forward, structure: Structure, from: string, to: string, axis: number): number {
  if (from === to) return axis;
  const node = structure.producer.get(to)!;
  const before = axisAfter(run, structure, from, node.inputs[0]!, axis);
  if (node.op !== "Transpose") return before;
  const rank = run.values.get(to)!.dims.length;
  const permutation = listAttribute(node, "perm") ?? Array.from({ length: rank }, (_, k) => rank - 1 - k);
  return permutation.indexOf(before);
}

/** Whether a layer's result is read once, to be subtracted: its negative is a summand, so the sign folds into its weights. */
export function isSubtracted(run: Forward, structure: Structure, name: string): boolean {
  const maker = onlyMaker(run, structure, name);
  return maker !== undefined && foldedLayer(run, structure, maker.node) !== undefined && isSubtrahend(run, name);
}

function isSubtrahend(run: Forward, name: string): boolean {
  const reading = run.model.nodes.filter((node) => node.inputs.includes(name));
  const [reader] = reading;
  if (!reader || reading.length > 1) return false;
  if (COPIES.has(reader.op) || reader.op === "Transpose") return isSubtrahend(run, reader.outputs[0]!);
  return reader.op === "Sub" && reader.inputs[1] === name && liveInputs(run, reader).length === 2;
}

export const readsImage = (structure: Structure, node: OnnxNode): boolean =>
  READS_IMAGE.has(node.op) && structure.imageLike.has(node.inputs[0]!);

/**
 * The tensor that `node`'s output is a one-to-one function of, or undefined: what an activation, a constant scale or
 * shift, a norm reads; for `x · sigmoid(x)` and other products spelled out of several nodes, the x they start from.
 */
export function oneToOneSource(run: Forward, structure: Structure, node: OnnxNode): string | undefined {
  const live = [...new Set(liveInputs(run, node))];
  if (live.length === 1 && isOneToOneNode(run, node)) return live[0];
  if (live.length === 2 && ["Mul", "Sub", "Div", "Max", "Min"].includes(node.op))
    return commonSource(run, structure, live);
  return undefined;
}

/** Norms over a frame's own elements: one-to-one for relevance. */
export const NORMS = new Set(["LayerNormalization", "InstanceNormalization", "GroupNormalization", "LRN"]);

function isOneToOneNode(run: Forward, node: OnnxNode): boolean {
  if (node.op in ACTIVATIONS || node.op === "PRelu" || NORMS.has(node.op)) return true;
  if ((node.op === "Max" || node.op === "Min") && constantOf(run, node)) return true;
  return affine(run, node) !== undefined;
}

/** The nearest tensor that both are element-wise functions of. */
function commonSource(run: Forward, structure: Structure, [a, b]: string[]): string | undefined {
  const others = lineage(run, structure, b!);
  return lineage(run, structure, a!).find((name) => others.includes(name));
}

/** A tensor and, step by step, the tensors it is an element-wise function of. */
function lineage(run: Forward, structure: Structure, name: string): string[] {
  const node = structure.producer.get(name);
  if (!node || !(node.op in UNARY || node.op in BINARY || node.op === "BatchNormalization")) return [name];
  const live = [...new Set(liveInputs(run, node))];
  const source = live.length === 1 ? live[0] : live.length === 2 ? commonSource(run, structure, live) : undefined;
  return source === undefined ? [name] : [name, ...lineage(run, structure, source)];
}

/** For a product of a signal and a gate, the signal; undefined when neither factor, or each, ends in a gate. */
export function gatedSignal(run: Forward, structure: Structure, node: OnnxNode): string | undefined {
  const live = liveInputs(run, node);
  if (node.op !== "Mul" || live.length !== 2) return undefined;
  const [a, b] = live.map((name) => endsInGate(run, structure, name));
  if (a === b) return undefined;
  return a ? live[1] : live[0];
}

/** It says how much: it ends in a sigmoid, hard-sigmoid or softmax, behind whatever moves. */
export function endsInGate(run: Forward, structure: Structure, name: string): boolean {
  const node = structure.producer.get(name);
  if (!node) return false;
  if (["Sigmoid", "HardSigmoid", "Softmax"].includes(node.op)) return true;
  if (run.moves.has(node) || node.op === "Rounding")
    return liveInputs(run, node).every((input) => endsInGate(run, structure, input));
  return isHardSigmoid(run, structure, node);
}

/** A clip to [0, c], divided by c. */
function isHardSigmoid(run: Forward, structure: Structure, node: OnnxNode): boolean {
  const scale = affine(run, node);
  const clip = scale && node.op !== "Add" && node.op !== "Sub" ? structure.producer.get(scale.x) : node;
  if (clip?.op !== "Clip") return false;
  const [low, high] = clipBounds(
    clip,
    clip.inputs.map((name) => run.values.get(name)),
  );
  const factor = clip === node ? 1 : scale!.factor[0]!;
  return low === 0 && Math.abs(high * factor - 1) < 1e-6;
}
