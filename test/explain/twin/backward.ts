/** What every twin's way back through a network has in common: where relevance goes, whatever the rules are. */
import { normGroups, softmax } from "./elementwise.js";
import { type Forward, highest, liveInputs, runForward } from "./forward.js";
import { type Norm, normalisedBy } from "./norms.js";
import { type OnnxModel, type OnnxNode, readOnnx } from "./onnx-reader.js";
import { factorsOf, isMatrixProduct, isProductOfSignals } from "./products.js";
import {
  type FoldedLayer,
  foldedLayer,
  gatedSignal,
  isSubtracted,
  NORMS,
  oneToOneSource,
  readsImage,
  type Structure,
  structureOf,
} from "./structure.js";
import { broadcastIndex, stridesOf, type Tensor, tensor } from "./tensor.js";

export interface BackwardOptions {
  /** A class index, or the class with the highest score. */
  target?: "top" | number;
  /** The network's input for pixel 0 and pixel 255, per channel or one number for all; needed by `bounded` and `box`. */
  low?: readonly number[];
  high?: readonly number[];
  /** Default: axis 1 if it is as long as `low`, else the last. */
  channelAxis?: number;
  /** Applied to every relevance on its way, to see what rounding does to a map; default: none. */
  rounding?: (relevance: number) => number;
}

export interface Backward<O extends BackwardOptions = BackwardOptions> {
  run: Forward;
  structure: Structure;
  options: O;
  logits: Float64Array;
  target: number;
  /** Whether scores stand alone: there is one, or a sigmoid follows. */
  independent: boolean;
  /** Relevance by tensor name, complete once every reader of the tensor has been visited. */
  relevance: Map<string, Float64Array>;
  cancellation: number;
  fragile: boolean;
}

/** s(v): 0 counts as positive. */
export const s = (v: number): 1 | -1 => (v < 0 ? -1 : 1);
export const l1 = (values: Float64Array): number => values.reduce((sum, v) => sum + Math.abs(v), 0);

/** Runs one frame forward; `shape` is the model's input shape with batch 1. */
export function prepare<O extends BackwardOptions>(
  model: Uint8Array | OnnxModel,
  input: ArrayLike<number>,
  shape: readonly number[],
  options: O,
): Backward<O> {
  if (shape[0] !== 1) throw new Error(`the twin takes one frame, not a batch of ${shape[0]}`);
  const { run, structure } = forwardOf(model instanceof Uint8Array ? readOnnx(model) : model, input, shape);
  const logits = run.values.get(structure.logits)!.data;
  const target = options.target === undefined || options.target === "top" ? argMax(logits) : options.target;
  const independent = logits.length === 1 || structure.final === "Sigmoid";
  return {
    run,
    structure,
    options,
    logits,
    target,
    independent,
    relevance: new Map(),
    cancellation: 1,
    fragile: false,
  };
}

type Run = Pick<Backward, "run" | "structure">;
/** Of models and frames that are asked for again by another method. */
const RUNS = new WeakMap<OnnxModel, Map<ArrayLike<number>, Run>>();

function forwardOf(model: OnnxModel, input: ArrayLike<number>, shape: readonly number[]): Run {
  const known = RUNS.get(model) ?? new Map<ArrayLike<number>, Run>();
  RUNS.set(model, known);
  const before = known.get(input);
  if (before) return before;
  const network = decidingPart(model);
  const wanted = network.inputs[0]!.dims;
  if (wanted.some((n, axis) => axis > 0 && n > 0 && n !== shape[axis]))
    throw new Error(`the model reads [${wanted}], not [${shape}]`);
  const run = runForward(network, tensor(shape, input));
  const made = { run, structure: structureOf(run) };
  known.set(input, made);
  return made;
}

/** A linear layer on the way back: its edges with what is folded into it, and relevance in the order of its outputs. */
export interface LinearView {
  node: OnnxNode;
  /** The tensor that it reads, and the one that it gives, with what is folded into it. */
  name: string;
  output: string;
  a: Float64Array;
  z: Float64Array;
  r: Float64Array;
  /** Whether it is the layer that reads the image. */
  first: boolean;
  /** What is folded into the weights of each output. */
  factor: Float64Array;
  /** Whether its weights are another tensor that depends on the image. */
  mixes: boolean;
  forEachEdge(visit: (i: number, j: number, w: number) => void): void;
}

/**
 * `one-hot`: 1 at the target. `contrast`: +½ there, −½ p_k / Σ_{m≠t} p_m elsewhere. `rivals`: 1/N there, −p_m/N elsewhere with
 * N = 1 + Σ_{m≠t} p_m; one-hot where there are no rivals.
 */
export function startAt({ logits, target, independent }: Backward, start: Start): Float64Array {
  if (start === "one-hot" || (start === "rivals" && independent)) return logits.map((_, k) => (k === target ? 1 : 0));
  const p = softmax({ dims: [logits.length], data: logits }, 0);
  const rest = p.reduce((sum, v, k) => (k === target ? sum : sum + v), 0);
  if (start === "rivals") return p.map((v, k) => (k === target ? 1 : -v) / (1 + rest));
  return p.map((v, k) => (k === target ? 0.5 : (-0.5 * v) / rest));
}

/** One summand of a skip connection. */
export interface Branch {
  name: string;
  value(j: number): number;
}

export type Start = "rivals" | "one-hot" | "contrast";

/** What tells one family of methods from another. */
export interface Rules<O extends BackwardOptions> {
  linear(b: Backward<O>, layer: LinearView): void;
  oneToOne(b: Backward<O>, node: OnnxNode, source: string, r: Float64Array): void;
  /** A tensor measured by a statistic of it or by another tensor. */
  norm(b: Backward<O>, node: OnnxNode, norm: Norm, r: Float64Array): void;
  /** The share of branch `value` in the relevance `r` of output j of a sum, `z`. */
  share(r: number, z: number, value: number, all: readonly number[]): number;
  /** Of the tied winners of a window, which take its relevance in equal parts. */
  winners(tied: readonly number[]): readonly number[];
  /** Whether the winners take all only where nothing in a window is positive, and else max(a, 0)² shares. */
  squares?: boolean;
}

/** Sends `start` from the logits down to the image, and gives what arrives there. */
export function descend<O extends BackwardOptions>(b: Backward<O>, start: Float64Array, rules: Rules<O>): Float64Array {
  const { run, structure, relevance } = b;
  give(b, structure.logits, start);
  for (const node of [...run.model.nodes].reverse()) {
    if (node.outputs.some((name) => relevance.has(name))) sendBack(b, node, rules);
  }
  return relevance.get(run.image) ?? new Float64Array(run.values.get(run.image)!.data.length);
}

function sendBack<O extends BackwardOptions>(b: Backward<O>, node: OnnxNode, rules: Rules<O>): void {
  const { run, structure, relevance } = b;
  const output = node.outputs[0]!;
  const r = relevance.get(output)!;
  const folded = foldedLayer(run, structure, node);
  const source = oneToOneSource(run, structure, node);
  const signal = gatedSignal(run, structure, node);
  const isSkip = ["Add", "Sum", "Sub"].includes(node.op) && liveInputs(run, node).length > 1;
  const norm = normalisedBy(run, structure, node);
  if (folded) rules.linear(b, viewOf(b, folded, output, r));
  else if (isMatrixProduct(run, node)) sendThroughMatrixProduct(b, node, r, rules);
  else if (run.moves.has(node)) sendThroughMove(b, node);
  else if (run.pools.has(node)) sendThroughMaxPool(b, node, r, rules);
  else if (source !== undefined) {
    // What a norm makes of values that are all alike is zero, or what rounding left of it over a small deviation.
    if (NORMS.has(node.op) && normGroups(node, run.values.get(source)!).some(isFlat)) b.fragile = true;
    rules.oneToOne(b, node, source, r);
  } else if (signal !== undefined) sendToBroadcast(b, signal, output, r);
  else if (norm) rules.norm(b, node, norm, r);
  else if (isProductOfSignals(run, node))
    for (const name of liveInputs(run, node))
      sendToBroadcast(
        b,
        name,
        output,
        r.map((v) => v / 2),
      );
  else if (isSkip) sendThroughAdd(b, node, r, rules);
  else throw new Error(`node "${node.name}": no relevance rule for operator ${node.op}`);
}

function sendThroughMatrixProduct<O extends BackwardOptions>(
  b: Backward<O>,
  node: OnnxNode,
  r: Float64Array,
  rules: Rules<O>,
): void {
  const { run, structure } = b;
  const output = node.outputs[0]!;
  const z = run.values.get(output)!.data;
  for (const { name, share, forEachEdge } of factorsOf(run, structure, node)) {
    const a = run.values.get(name)!.data;
    const shared = r.map((v) => share * v);
    const factor = new Float64Array(z.length).fill(1);
    rules.linear(b, { node, name, output, a, z, r: shared, first: false, mixes: true, factor, forEachEdge });
  }
}

function viewOf({ run, structure }: Backward, folded: FoldedLayer, output: string, r: Float64Array): LinearView {
  const { node, order } = folded;
  const sign = isSubtracted(run, structure, output) ? -1 : 1;
  const factor = folded.factor.map((v) => sign * v);
  const name = node.inputs[0]!;
  const inOrder = (values: Float64Array): Float64Array => {
    const sorted = new Float64Array(values.length);
    values.forEach((v, j) => {
      sorted[order[j]!] = v;
    });
    return sorted;
  };
  return {
    node,
    name,
    output,
    a: run.values.get(name)!.data,
    z: inOrder(run.values.get(output)!.data.map((v) => sign * v)),
    r: inOrder(r),
    first: readsImage(structure, node),
    factor,
    mixes: false,
    forEachEdge: (visit) => run.layers.get(node)!.forEachEdge((i, j, w) => visit(i, j, w * factor[j]!)),
  };
}

/** The nodes that the first output depends on. */
function decidingPart(model: OnnxModel): OnnxModel {
  const needed = new Set([model.outputs[0]!]);
  const nodes = [...model.nodes].reverse().filter((node) => {
    const takesPart = node.outputs.some((name) => name !== "" && needed.has(name));
    if (takesPart) for (const name of node.inputs) needed.add(name);
    return takesPart;
  });
  return { ...model, nodes: nodes.reverse(), outputs: [model.outputs[0]!] };
}

const argMax = (values: Float64Array): number => values.indexOf(Math.max(...values));

/** A tensor used by several layers: their relevances add. */
export function give({ run, options, relevance }: Backward, name: string, amount: Float64Array): void {
  const sum = relevance.get(name) ?? new Float64Array(run.values.get(name)!.data.length);
  const rounding = options.rounding ?? ((v) => v);
  relevance.set(
    name,
    sum.map((v, i) => v + rounding(amount[i]!)),
  );
}

/** What the tensor `name` is for an image that is pixel 0 (or 255) everywhere. */
export function extreme({ run, structure, options }: Backward, name: string, values: readonly number[] | undefined) {
  if (!values) throw new Error("an input rule with bounds needs low and high");
  const image = run.values.get(run.image)!;
  const axis = options.channelAxis ?? (image.dims[1] === values.length ? 1 : image.dims.length - 1);
  const stride = stridesOf(image.dims)[axis]!;
  const flat = image.data.map((_, i) => values[values.length === 1 ? 0 : Math.floor(i / stride) % image.dims[axis]!]!);
  const needed = new Set<OnnxNode>();
  const need = (of: string): void => {
    const node = structure.producer.get(of);
    if (!node || !run.live.has(of) || needed.has(node)) return;
    needed.add(node);
    node.inputs.forEach(need);
  };
  need(name);
  const frame: Tensor = { dims: image.dims, data: flat };
  return runForward(run.model, frame, { nodes: needed, known: run }).values.get(name)!.data;
}

/** Adds relevance of `output`'s shape to `name`, which may have been broadcast. */
export function sendToBroadcast(b: Backward, name: string, output: string, r: Float64Array): void {
  const to = b.run.values.get(name)!;
  const at = broadcastIndex(to.dims, b.run.values.get(output)!.dims);
  const sum = new Float64Array(to.data.length);
  r.forEach((v, j) => {
    sum[at[j]!]! += v;
  });
  give(b, name, sum);
}

/** Back to where each element came from; what lies on a fill value is dropped. */
export function sendThroughMove(b: Backward, node: OnnxNode): void {
  const { run, relevance } = b;
  const received = node.inputs.map((name) => new Float64Array(run.values.get(name)?.data.length ?? 0));
  run.moves.get(node)!.forEach(({ from, at }, k) => {
    relevance.get(node.outputs[k]!)?.forEach((v, j) => {
      if (at[j]! >= 0) received[from[j]!]![at[j]!]! += v;
    });
  });
  node.inputs.forEach((name, k) => {
    if (run.live.has(name)) give(b, name, received[k]!);
  });
}

/** A constant among the summands is a bias: it takes no part. */
function sendThroughAdd<O extends BackwardOptions>(
  b: Backward<O>,
  node: OnnxNode,
  r: Float64Array,
  rules: Rules<O>,
): void {
  const output = node.outputs[0]!;
  const z = b.run.values.get(output)!;
  const branches = liveInputs(b.run, node).map((name, k): Branch => {
    const u = b.run.values.get(name)!;
    const at = broadcastIndex(u.dims, z.dims);
    const sign = node.op === "Sub" && k === 1 ? -1 : 1;
    return { name, value: (j) => sign * u.data[at[j]!]! };
  });
  for (const { name, value } of branches) {
    const all = (j: number): number[] => branches.map((branch) => branch.value(j));
    sendToBroadcast(
      b,
      name,
      output,
      r.map((v, j) => rules.share(v, z.data[j]!, value(j), all(j))),
    );
  }
}

/** To the winners of each window. */
function sendThroughMaxPool<O extends BackwardOptions>(
  b: Backward<O>,
  node: OnnxNode,
  r: Float64Array,
  rules: Rules<O>,
): void {
  const name = node.inputs[0]!;
  const x = b.run.values.get(name)!.data;
  const received = new Float64Array(x.length);
  b.run.pools.get(node)!.windows.forEach((members, j) => {
    const top = highest(x, members);
    if (rules.squares && top > 0) {
      const squares = members.map((i) => Math.max(x[i]!, 0) ** 2);
      const total = squares.reduce((sum, v) => sum + v, 0);
      members.forEach((i, k) => {
        received[i]! += (r[j]! * squares[k]!) / total;
      });
      return;
    }
    const winners = members.filter((i) => x[i] === top);
    const close = members.filter((i) => top - x[i]! <= 1e-6 * Math.abs(top));
    // Equal multiples of 1/1024 are equal in float32 too.
    if (close.length > winners.length || (close.length > 1 && !Number.isInteger(top * 1024))) b.fragile = true;
    const taking = rules.winners(winners);
    for (const i of taking) received[i]! += r[j]! / taking.length;
  });
  give(b, name, received);
}

const isFlat = (values: Float64Array): boolean => {
  const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  return values.every((v) => Math.abs(v - values[0]!) <= 5e-3 * largest);
};
