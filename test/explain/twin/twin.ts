/**
 * The slow, obvious twin of R-LRP: one frame, float64, loops over the edges of each layer, formulas as in the method's
 * description. It shares no code with the production engine.
 */
import { normChannel, normGroups, softmax } from "./elementwise.js";
import { type Forward, highest, liveInputs, runForward } from "./forward.js";
import { type OnnxModel, type OnnxNode, readOnnx } from "./onnx-reader.js";
import {
  affine,
  type FoldedLayer,
  foldedLayer,
  gatedSignal,
  NORMS,
  oneToOneSource,
  readsImage,
  type Structure,
  structureOf,
} from "./structure.js";
import { broadcastIndex, stridesOf, type Tensor, tensor } from "./tensor.js";

export interface TwinOptions {
  method?: "r-lrp" | "r-lrp-constant" | "r-lrp-absolute";
  inputRule?: "bounded" | "contribution" | "flat";
  start?: "one-hot" | "contrast";
  /** A class index, or the class with the highest score. */
  target?: "top" | number;
  /** The network's input for pixel 0 and pixel 255, per channel or one number for all; needed by `bounded`. */
  low?: readonly number[];
  high?: readonly number[];
  /** Default: axis 1 if it is as long as `low`, else the last. */
  channelAxis?: number;
  /** Applied to every relevance on its way, to see what rounding does to a map; default: none. */
  rounding?: (relevance: number) => number;
}

export interface TwinResult {
  /** Scores before a final softmax or sigmoid. */
  logits: Float64Array;
  target: number;
  /** In the input's layout, Σ|R| = 1; all zero where no relevance flows. */
  relevance: Float64Array;
  flows: boolean;
  /** Σ|R| over the pixels before the last scaling: 1 less what cancelled at forks. */
  l1: number;
  /** The largest Σ_ij|U_ij| / ‖U‖₁ or Σ_ij|a_i w_ij| / ‖z‖₁ of a layer: how much of what it computed cancelled inside it. */
  cancellation: number;
  /** Whether a max pool met two values, or a layer an input and zero, so close that float32 may not tell them apart. */
  fragile: boolean;
}

/** s(v): 0 counts as positive. */
export const s = (v: number): 1 | -1 => (v < 0 ? -1 : 1);
export const l1 = (values: Float64Array): number => values.reduce((sum, v) => sum + Math.abs(v), 0);

/** Scales U so that Σ|R_i| is Σ|R_out|. */
function rescale(u: Float64Array, outgoing: number): Float64Array {
  const total = l1(u);
  return total === 0 ? u : u.map((v) => (v * outgoing) / total);
}

/** Explains one frame; `shape` is the model's input shape with batch 1. */
export function twin(
  model: Uint8Array | OnnxModel,
  input: ArrayLike<number>,
  shape: readonly number[],
  options: TwinOptions = {},
): TwinResult {
  if (shape[0] !== 1) throw new Error(`the twin takes one frame, not a batch of ${shape[0]}`);
  const network = decidingPart(model instanceof Uint8Array ? readOnnx(model) : model);
  const wanted = network.inputs[0]!.dims;
  if (wanted.some((n, axis) => axis > 0 && n > 0 && n !== shape[axis]))
    throw new Error(`the model reads [${wanted}], not [${shape}]`);
  const run = runForward(network, tensor(shape, input));
  const structure = structureOf(run);
  const logits = run.values.get(structure.logits)!.data;
  const target = options.target === undefined || options.target === "top" ? argMax(logits) : options.target;

  const backward: Backward = { run, structure, options, relevance: new Map(), cancellation: 1, fragile: false };
  const { relevance } = backward;
  give(backward, structure.logits, startRelevance(logits, target, options.start ?? "one-hot"));
  for (const node of [...run.model.nodes].reverse()) {
    if (node.outputs.some((name) => relevance.has(name))) sendBack(backward, node);
  }
  const pixels = relevance.get(run.image) ?? new Float64Array(input.length);
  const total = l1(pixels);
  const { cancellation, fragile } = backward;
  const map = rescale(pixels, total > 0 ? 1 : 0);
  return { logits, target, relevance: map, flows: total > 0, l1: total, cancellation, fragile };
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

/** `one-hot`: s(z_t) at the target. `contrast`: +½ there, −½ p_k / Σ_{m≠t} p_m elsewhere, each times s(z). */
function startRelevance(z: Float64Array, target: number, start: "one-hot" | "contrast"): Float64Array {
  if (start === "one-hot") return z.map((v, k) => (k === target ? s(v) : 0));
  const p = softmax({ dims: [z.length], data: z }, 0);
  const rest = p.reduce((sum, v, k) => (k === target ? sum : sum + v), 0);
  return z.map((v, k) => s(v) * (k === target ? 0.5 : (-0.5 * p[k]!) / rest));
}

interface Backward {
  run: Forward;
  structure: Structure;
  options: TwinOptions;
  /** Relevance by tensor name, complete once every reader of the tensor has been visited. */
  relevance: Map<string, Float64Array>;
  cancellation: number;
  fragile: boolean;
}

/** A tensor used by several layers: their relevances add. */
function give({ run, options, relevance }: Backward, name: string, amount: Float64Array): void {
  const sum = relevance.get(name) ?? new Float64Array(run.values.get(name)!.data.length);
  const rounding = options.rounding ?? ((v) => v);
  relevance.set(
    name,
    sum.map((v, i) => v + rounding(amount[i]!)),
  );
}

function sendBack(b: Backward, node: OnnxNode): void {
  const { run, structure, relevance } = b;
  const output = node.outputs[0]!;
  const r = relevance.get(output)!;
  const folded = foldedLayer(run, structure, node);
  const source = oneToOneSource(run, structure, node);
  const signal = gatedSignal(run, structure, node);
  const isSkip = ["Add", "Sum", "Sub"].includes(node.op) && liveInputs(run, node).length > 1;
  if (folded) sendThroughLinear(b, folded, output, r);
  else if (run.moves.has(node)) sendThroughMove(b, node);
  else if (run.pools.has(node)) sendThroughMaxPool(b, node, r);
  else if (source !== undefined) sendThroughOneToOne(b, node, source, r);
  else if (signal !== undefined) sendToBroadcast(b, signal, output, r);
  else if (isSkip) sendThroughAdd(b, node, r);
  else throw new Error(`node "${node.name}": no relevance rule for operator ${node.op}`);
}

function sendThroughLinear(b: Backward, folded: FoldedLayer, output: string, given: Float64Array): void {
  const { run, structure, options } = b;
  const { node, factor, order } = folded;
  const name = node.inputs[0]!;
  const a = run.values.get(name)!.data;
  const inOrder = (values: Float64Array): Float64Array => {
    const sorted = new Float64Array(values.length);
    values.forEach((v, j) => {
      sorted[order[j]!] = v;
    });
    return sorted;
  };
  const z = inOrder(run.values.get(output)!.data);
  const r = inOrder(given);
  const forEachEdge: EachEdge = (visit) => run.layers.get(node)!.forEachEdge((i, j, w) => visit(i, j, w * factor[j]!));
  const u = new Float64Array(a.length);
  let amount = 0;
  const send = (i: number, part: number): void => {
    u[i]! += part;
    amount += Math.abs(part);
  };
  if (readsImage(structure, node)) inputRule(b, name, forEachEdge, a, z, r, send);
  else linearRule(options.method ?? "r-lrp", forEachEdge, a, z, r, send);
  const largest = a.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  if (a.some((v) => v !== 0 && Math.abs(v) < 1e-7 * largest)) b.fragile = true;
  let forward = 0;
  forEachEdge((i, _j, w) => {
    forward += Math.abs(a[i]! * w);
  });
  if (amount > 0) b.cancellation = Math.max(b.cancellation, amount / l1(u), forward / l1(z));
  give(b, name, rescale(u, l1(r)));
}

type Send = (i: number, part: number) => void;
type EachEdge = (visit: (i: number, j: number, w: number) => void) => void;

function linearRule(
  method: NonNullable<TwinOptions["method"]>,
  forEachEdge: EachEdge,
  a: Float64Array,
  z: Float64Array,
  r: Float64Array,
  send: Send,
): void {
  const d = divisor(method, forEachEdge, a, z);
  forEachEdge((i, j, w) => {
    if (d[j] !== 0) send(i, (a[i]! * w * r[j]!) / d[j]!);
  });
}

function divisor(method: string, forEachEdge: EachEdge, a: Float64Array, z: Float64Array): Float64Array {
  if (method === "r-lrp-constant") return z.map((v) => s(v));
  if (method === "r-lrp-absolute") {
    const total = new Float64Array(z.length);
    forEachEdge((i, j, w) => {
      total[j]! += Math.abs(a[i]! * w);
    });
    return total.map((t, j) => s(z[j]!) * t);
  }
  const mean = l1(z) / z.length;
  return z.map((v) => s(v) * (Math.abs(v) + mean));
}

/** The layer that reads the image: no per-neuron division. */
function inputRule(
  b: Backward,
  name: string,
  forEachEdge: EachEdge,
  x: Float64Array,
  z: Float64Array,
  r: Float64Array,
  send: Send,
): void {
  const q = r.map((v, j) => s(z[j]!) * v);
  const rule = b.options.inputRule ?? "bounded";
  if (rule === "flat") {
    forEachEdge((i, j) => send(i, r[j]!));
  } else if (rule === "contribution") {
    forEachEdge((i, j, w) => send(i, x[i]! * w * q[j]!));
  } else {
    const low = extreme(b, name, b.options.low);
    const high = extreme(b, name, b.options.high);
    forEachEdge((i, j, w) => send(i, (x[i]! * w - low[i]! * Math.max(w, 0) - high[i]! * Math.min(w, 0)) * q[j]!));
  }
}

/** What the tensor `name` is for an image that is pixel 0 (or 255) everywhere. */
function extreme({ run, structure, options }: Backward, name: string, values: readonly number[] | undefined) {
  if (!values) throw new Error("the input rule bounded needs low and high");
  const image = run.values.get(run.image)!;
  const axis = options.channelAxis ?? (image.dims[1] === values.length ? 1 : image.dims.length - 1);
  const stride = stridesOf(image.dims)[axis]!;
  const flat = image.data.map((_, i) => values[values.length === 1 ? 0 : Math.floor(i / stride) % image.dims[axis]!]!);
  const beforeLinear = new Set(run.model.nodes.filter((node) => structure.beforeLinear.has(node.outputs[0]!)));
  const frame: Tensor = { dims: image.dims, data: flat };
  return runForward(run.model, frame, { nodes: beforeLinear, known: run }).values.get(name)!.data;
}

/** `R_x = R_y · s(x) · s(y) · s(slope)`; before the first linear layer `R_x = R_y`. */
function sendThroughOneToOne(b: Backward, node: OnnxNode, source: string, r: Float64Array): void {
  const { run, structure } = b;
  const output = node.outputs[0]!;
  const x = run.values.get(source)!;
  const y = run.values.get(output)!;
  const at = broadcastIndex(x.dims, y.dims);
  const slope = slopeOf(run, node);
  const sign = (j: number): number => s(x.data[at[j]!]!) * s(y.data[j]!) * s(slope(j));
  const keepsSign = structure.beforeLinear.has(source);
  // What a norm makes of values that are all alike is zero, or what rounding left of it over a small deviation.
  if (NORMS.has(node.op) && (keepsSign || normGroups(node, x).some(isFlat))) b.fragile = true;
  sendToBroadcast(b, source, output, keepsSign ? r : r.map((v, j) => v * sign(j)));
}

const isFlat = (values: Float64Array): boolean => {
  const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  return values.every((v) => Math.abs(v - values[0]!) <= 1e-4 * largest);
};

/** The factor of a norm or constant scale; activations count as rising. */
function slopeOf(run: Forward, node: OnnxNode): (j: number) => number {
  const step = affine(run, node);
  if (step) return (j) => step.factor[j]!;
  const gamma = NORMS.has(node.op) ? run.values.get(node.inputs[1] ?? "") : undefined;
  if (!gamma) return () => 1;
  const { dims, data } = run.values.get(node.outputs[0]!)!;
  if (node.op !== "LayerNormalization") {
    const plane = data.length / (dims[0]! * dims[1]!);
    return (j) => gamma.data[normChannel(j, plane, dims[1]!, gamma.data.length)]!;
  }
  const at = broadcastIndex(gamma.dims, dims);
  return (j) => gamma.data[at[j]!]!;
}

/** Adds relevance of `output`'s shape to `name`, which may have been broadcast. */
function sendToBroadcast(b: Backward, name: string, output: string, r: Float64Array): void {
  const to = b.run.values.get(name)!;
  const at = broadcastIndex(to.dims, b.run.values.get(output)!.dims);
  const sum = new Float64Array(to.data.length);
  r.forEach((v, j) => {
    sum[at[j]!]! += v;
  });
  give(b, name, sum);
}

/** `R_k = R · s(z) · u_k / Σ_m |u_m|`; 0 where all branches are zero. A constant among them is a bias: it takes no part. */
function sendThroughAdd(b: Backward, node: OnnxNode, r: Float64Array): void {
  const output = node.outputs[0]!;
  const z = b.run.values.get(output)!;
  const branches = liveInputs(b.run, node).map((name, k) => {
    const u = b.run.values.get(name)!;
    const at = broadcastIndex(u.dims, z.dims);
    const sign = node.op === "Sub" && k === 1 ? -1 : 1;
    return { name, value: (j: number): number => sign * u.data[at[j]!]! };
  });
  for (const { name, value } of branches) {
    const share = r.map((v, j) => {
      const total = branches.reduce((sum, branch) => sum + Math.abs(branch.value(j)), 0);
      return total === 0 ? 0 : (v * s(z.data[j]!) * value(j)) / total;
    });
    sendToBroadcast(b, name, output, share);
  }
}

/** To the winner of each window; tied winners share equally. */
function sendThroughMaxPool(b: Backward, node: OnnxNode, r: Float64Array): void {
  const name = node.inputs[0]!;
  const x = b.run.values.get(name)!.data;
  const received = new Float64Array(x.length);
  b.run.pools.get(node)!.windows.forEach((members, j) => {
    const top = highest(x, members);
    const winners = members.filter((i) => x[i] === top);
    const close = members.filter((i) => top - x[i]! <= 1e-6 * Math.abs(top));
    // Equal multiples of 1/1024 are equal in float32 too.
    if (close.length > winners.length || (close.length > 1 && !Number.isInteger(top * 1024))) b.fragile = true;
    for (const i of winners) received[i]! += r[j]! / winners.length;
  });
  give(b, name, received);
}

/** Back to where each element came from; what lies on a fill value is dropped. */
function sendThroughMove(b: Backward, node: OnnxNode): void {
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
