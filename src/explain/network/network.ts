/** Identifies a tensor of a network. */
export type TensorId = number;

/** A constant tensor, row-major. */
export interface Weights {
  dims: readonly number[];
  data: Float32Array;
}

interface Base {
  /** Name of the node of the model file that it comes from. */
  name: string;
  /** Operator of the model file, for messages and tables. */
  operator: string;
  inputs: TensorId[];
  outputs: TensorId[];
}

/** Window geometry of convolutions and pools: `pads` are top, left, bottom, right. */
export interface Window {
  kernel: readonly [number, number];
  strides: readonly [number, number];
  pads: readonly [number, number, number, number];
  dilations: readonly [number, number];
}

/** `z = conv(a, w) + b`; weight `[out, in / groups, kh, kw]`. */
export interface ConvLayer extends Base, Window {
  kind: "conv";
  weight: Weights;
  bias?: Float32Array;
  groups: number;
  /** Of a transposed convolution: rows and columns of its input that hold elements, the others zeros between them. */
  spread?: { first: [number, number]; every: [number, number] };
}
/** `z = a · w + b` over the last axis; weight `[in, out]`, or `[out, in]` where `outFirst`. */
export interface DenseLayer extends Base {
  kind: "dense";
  weight: Weights;
  /** As Gemm has it with transB, on rows only: nothing is gained by turning what may be hundreds of megabytes. */
  outFirst?: boolean;
  bias?: Float32Array;
}
/** A scale and shift folded into a layer without weights: one value an element of its output's `channelAxis`. */
export interface Folded {
  factor?: Float32Array;
  shift?: Float32Array;
}
export interface AveragePoolLayer extends Base, Window, Folded {
  kind: "averagePool";
  /** Rows and columns that `ceil_mode` adds at the bottom and right; they never count in the divisor. */
  extra: [number, number];
  /** Whether padding counts in the divisor. */
  countPadding: boolean;
}
/** Mean over `axes` (batch axis 0 not among them). */
export interface MeanLayer extends Base, Folded {
  kind: "mean";
  axes: number[];
  keepDims: boolean;
}
/**
 * Bilinear or other separable interpolation of `[N, C, H, W]`: `z = rows · a · columnsᵀ` for each channel; `rows` is
 * `[H', H]`, `columns` `[W', W]`, no weight negative.
 */
export interface ResizeLayer extends Base, Folded {
  kind: "resize";
  rows: Weights;
  columns: Weights;
}
export interface MaxPoolLayer extends Base, Window {
  kind: "maxPool";
}
/** A one-to-one function: a single operator, or several that spell one out (`x · sigmoid(x)`). */
export interface ActivationLayer extends Base {
  kind: "activation";
  steps: ElementStep[];
}
/**
 * `y = clip(round(x / scale), low, high) · scale`: what a tensor that a quantised file holds in whole numbers stands for. Without a
 * scale each frame has its own, by which its values from the least to the largest, 0 among them, take `low` to `high`.
 */
export interface RoundingLayer extends Base {
  kind: "rounding";
  scale?: number;
  low: number;
  high: number;
}
/** A step of an activation; operands index the activation's input (0) or an earlier step (k + 1), or are constants. */
export interface ElementStep {
  op: string;
  operands: (number | Weights)[];
  attributes: Record<string, number>;
}
/** `y = x · factor + shift`, constants that broadcast against x (batch axis left out of their dims). */
export interface ScaleLayer extends Base {
  kind: "scale";
  factor?: Weights;
  shift?: Weights;
}
/** `z = Σ u_m`. */
export interface AddLayer extends Base {
  kind: "add";
}
/** `y = signal · gate`; inputs are [signal, gate]. */
export interface GateLayer extends Base {
  kind: "gate";
}
/** `y = u · v`, element by element, neither of which says how much of the other counts. */
export interface SignalsLayer extends Base {
  kind: "signals";
}
/** `y = x · s`, `x / s`, `x + s` or `x − s`; inputs are [x, s], s a statistic of x or what x is measured against. */
export interface NormalisedLayer extends Base {
  kind: "normalised";
  op: "Mul" | "Div" | "Add" | "Sub";
  /** Part of a layer norm in a spelling of its own, as one-to-one as that is in one piece. */
  centred?: true;
}
/** `y = a · b`, matrices over the last two axes; along the others they are repeated where they are 1. */
export interface MatrixProductLayer extends Base {
  kind: "matrixProduct";
}
/** A matrix product of a signal with a gate; inputs are [signal, gate], `gate · signal` where `gateFirst`. */
export interface AttentionLayer extends Base {
  kind: "attention";
  gateFirst: boolean;
}
/** An operator on two tensors, before it is known what it is part of: a gate, a difference, an activation or a norm spelled out. */
export interface PairLayer extends Base {
  kind: "pair";
  op: "Mul" | "Div" | "Sub" | "Max" | "Min";
}
/** `y = (x − mean) / √(variance + ε) · factor + shift` over `axes`, as layer norm: one-to-one for relevance. */
export interface NormLayer extends Base {
  kind: "norm";
  axes: number[];
  epsilon: number;
  factor?: Weights;
  shift?: Weights;
}
export interface ConcatLayer extends Base {
  kind: "concat";
  axis: number;
}
/** One output a part. */
export interface SplitLayer extends Base {
  kind: "split";
  axis: number;
  sizes: number[];
}
export interface SliceLayer extends Base {
  kind: "slice";
  axes: number[];
  starts: number[];
  ends: number[];
}
/** Element k along `axis` is a copy of element `indices[k]`: any order, any step, elements repeated or left out. */
export interface GatherLayer extends Base {
  kind: "gather";
  axis: number;
  indices: number[];
}
/** `y = mask ? x : other`: inputs are [x], or [x, other] where that is a tensor; constants without the batch axis, the mask 0 or 1. */
export interface SelectLayer extends Base {
  kind: "select";
  mask: Weights;
  /** Zero where the mask is 1; undefined where the other is a tensor. */
  other?: Weights;
}
/** Constant padding; `before`/`after` an axis, batch axis included (0). */
export interface PadLayer extends Base {
  kind: "pad";
  before: number[];
  after: number[];
  value: number;
}
/** `y = x / (bias + α/size · Σ x²)^β`, the sum over `size` neighbouring channels: one-to-one for relevance. */
export interface LrnLayer extends Base {
  kind: "lrn";
  size: number;
  alpha: number;
  beta: number;
  bias: number;
}
/** Any change of shape that keeps the order of elements; the target is in `Network.shapes`. */
export interface ReshapeLayer extends Base {
  kind: "reshape";
}
export interface TransposeLayer extends Base {
  kind: "transpose";
  /** Batch axis stays first: `permutation[0] === 0`. */
  permutation: number[];
}
/** Softmax (or its logarithm), met inside gates; a final one is stripped. */
export interface SoftmaxLayer extends Base {
  kind: "softmax";
  axis: number;
  log?: boolean;
}

export type Layer =
  | ConvLayer
  | DenseLayer
  | AveragePoolLayer
  | MeanLayer
  | ResizeLayer
  | MaxPoolLayer
  | ActivationLayer
  | RoundingLayer
  | ScaleLayer
  | AddLayer
  | GateLayer
  | SignalsLayer
  | NormalisedLayer
  | MatrixProductLayer
  | AttentionLayer
  | PairLayer
  | NormLayer
  | LrnLayer
  | ConcatLayer
  | SplitLayer
  | SliceLayer
  | GatherLayer
  | SelectLayer
  | PadLayer
  | ReshapeLayer
  | TransposeLayer
  | SoftmaxLayer;

export type LayerKind = Layer["kind"];
export type LayerOf<K extends LayerKind> = Extract<Layer, { kind: K }>;

/** A classifier as a graph of a few layer kinds, in topological order. Never modified in place: transforms return a new one. */
export interface Network {
  input: TensorId;
  /** Logits, `[N, classes]`. */
  output: TensorId;
  layers: readonly Layer[];
  /** Dims of each tensor; the batch axis, always first, is −1. */
  shapes: ReadonlyMap<TensorId, readonly number[]>;
  /** What the file applies to its logits. */
  final: "softmax" | "sigmoid" | "none";
  /** Tensors that are rounded before anything reads them, while the transforms go on. */
  roundings?: ReadonlyMap<TensorId, RoundingLayer>;
  /** Element types of the file's weights other than float32, those of whole numbers that were dequantised. */
  weightTypes?: readonly string[];
  /** Of the file's input, where that is of whole numbers, as `uint8` is. */
  inputType?: string;
  nextId: TensorId;
}

export const elements = (dims: readonly number[]): number => dims.reduce((a, b) => a * (b < 0 ? 1 : b), 1);

/** The layers that read each tensor, one entry a reading; tensors that no layer reads have none. */
export function readers(network: Pick<Network, "layers" | "output">): Map<TensorId, Layer[]> {
  const map = new Map<TensorId, Layer[]>();
  for (const layer of network.layers)
    for (const id of layer.inputs) {
      const list = map.get(id);
      if (list) list.push(layer);
      else map.set(id, [layer]);
    }
  return map;
}

/** What a layer reads to make something else of it; the statistics that a layer norm measures it by left out. */
export const crossedInputs = (layer: Layer): readonly TensorId[] =>
  layer.kind === "normalised" && layer.centred ? layer.inputs.slice(0, 1) : layer.inputs;

/**
 * Along which axis of a layer's output, the batch counted, a scale behind it may differ and still be one of its channels: the last of
 * a dense layer, the only one that a mean leaves, as of tokens, else the first behind the batch.
 */
export function channelAxis(layer: Layer, rank: number): number {
  if (layer.kind === "dense") return rank - 1;
  if (layer.kind !== "mean" || !layer.keepDims) return 1;
  const left = Array.from({ length: rank - 1 }, (_, k) => k + 1).filter((axis) => !layer.axes.includes(axis));
  return left.length === 1 ? left[0]! : 1;
}

/** The layer that makes each tensor. */
export function makers(network: Pick<Network, "layers">): Map<TensorId, Layer> {
  return new Map(network.layers.flatMap((layer) => layer.outputs.map((id) => [id, layer] as const)));
}

/** Without the layers that the output does not depend on. */
export function withoutDead(network: Network): Network {
  const needed = new Set<TensorId>([network.output]);
  const layers = network.layers.toReversed().filter((layer) => {
    const live = layer.outputs.some((id) => needed.has(id));
    if (live) for (const id of layer.inputs) needed.add(id);
    return live;
  });
  return layers.length === network.layers.length ? network : { ...network, layers: layers.reverse() };
}

/** Of the scores that a network gives, one a class. */
export const classesOf = (network: Network): number => elements(network.shapes.get(network.output)!);
