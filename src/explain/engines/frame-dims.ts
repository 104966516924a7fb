import { intOf, intsOf, textOf } from "../proto/node-attributes.js";
import type { GraphProto, NodeProto } from "../proto/onnx.js";

/** Operators that treat every element alike, and so in any layout alike. */
export const ELEMENTWISE = new Set(
  "Abs Add And Cast Ceil Celu Clip Div Elu Equal Erf Exp Floor Greater GreaterOrEqual HardSigmoid HardSwish Identity LeakyRelu Less LessOrEqual Log Max Min Mish Mul Neg Not Or Pow Reciprocal Relu Round Selu Sigmoid Sign Softplus Softsign Sqrt Sub Sum Tanh ThresholdedRelu Where".split(
    " ",
  ),
);
export const REDUCTIONS = new Set(["ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"]);

/** Dims of one frame; undefined where not known. */
export type Dims = readonly number[] | undefined;

/** The dims of the values of a graph that onnxruntime has optimised, node by node, as far as they are easy to tell. */
export class FrameDims extends Map<string, Dims> {
  /** Values with one element, in all or a frame. */
  #single = new Set<string>();
  #constants = new Map<string, readonly number[]>();
  /** First dim of each initializer. */
  #leading = new Map<string, number>();

  constructor(graph: GraphProto) {
    super();
    for (const tensor of graph.initializer ?? []) {
      const dims = tensor.dims ?? [];
      const name = tensor.name!;
      this.set(name, dims.slice(1));
      this.#leading.set(name, dims[0] ?? 1);
      if (dims.every((d) => d === 1)) this.#single.add(name);
      const integers = tensor.dataType === 7 && tensor.rawData?.length;
      if (integers) this.#constants.set(name, int64s(tensor.rawData!));
      else if (tensor.dataType === 1 && tensor.rawData?.length && tensor.rawData.length <= 64)
        this.#constants.set(name, Array.from(new Float32Array(new Uint8Array(tensor.rawData).buffer)));
    }
    for (const { name, type } of graph.input ?? []) {
      const dims = type?.tensorType?.shape?.dim?.map((d) => d.dimValue ?? -1);
      this.set(name, dims?.slice(1));
    }
  }

  isSingle(name: string): boolean {
    return this.#single.has(name);
  }
  /** The numbers of a small constant. */
  numbers(name: string): readonly number[] | undefined {
    return this.#constants.get(name);
  }

  /** Notes the dims of a node's outputs where they are easy to tell; unknown dims only cost speed. */
  infer(node: NodeProto): void {
    const inputs = node.input!;
    const [y] = node.output as [string];
    const dims = this.get(inputs[0]!);
    if (ELEMENTWISE.has(node.opType) && !node.domain) {
      if (inputs.every((name) => name === "" || this.#single.has(name))) this.#single.add(y);
      const others = inputs.filter((name) => name !== "" && !this.#single.has(name)).map((name) => this.get(name));
      if (others.length > 0) this.set(y, others.reduce(broadcast));
    } else if (REDUCTIONS.has(node.opType)) {
      const axes = this.#constants.get(inputs[1]!);
      const keeps = intOf(node, "keepdims", 1) === 1;
      if (axes?.join() === "1,2,3" && keeps) this.#single.add(y);
      if (!dims || !axes || axes.some((axis) => axis < 1)) return;
      this.set(
        y,
        dims.flatMap((d, k) => (axes.includes(k + 1) ? (keeps ? [1] : []) : [d])),
      );
    } else if (node.opType === "Reshape") {
      const target = this.#constants.get(inputs[1]!);
      if (target?.[0] !== -1) return;
      this.set(y, target.slice(1));
      if (target.slice(1).every((d) => d === 1)) this.#single.add(y);
    } else if (node.opType === "ReorderInput") this.set(y, dims);
    else if (node.opType === "Split") {
      const sizes = this.#constants.get(inputs[1] ?? "");
      if (intOf(node, "axis", 0) !== 1 || !sizes || !dims) return;
      splitDims(dims, sizes).forEach((part, k) => {
        this.set(node.output![k]!, part);
      });
    } else if (node.opType === "Concat") {
      // onnxruntime's own pass leaves blocked values blocked here.
      const parts = inputs.map((name) => this.get(name));
      if (intOf(node, "axis", 0) === 1 && parts.every((p) => p !== undefined)) this.set(y, joinedDims(parts));
    } else if (dims) this.inferMoved(node, dims);
  }

  /** The same of a node that moves or leaves out elements of a value with known dims. */
  inferMoved(node: NodeProto, dims: readonly number[]): void {
    const [y] = node.output as [string];
    const values = (index: number) => this.#constants.get(node.input![index] ?? "");
    if (node.opType === "Resize") {
      const scales = values(2);
      if (scales?.length === 4)
        this.set(
          y,
          dims.map((d, k) => Math.floor(d * scales[k + 1]!)),
        );
    } else if (node.opType === "Transpose") {
      const [batch, ...axes] = intsOf(node, "perm") ?? [];
      if (batch === 0)
        this.set(
          y,
          axes.map((axis) => dims[axis - 1]!),
        );
    } else if (node.opType === "Gather") {
      const axis = intOf(node, "axis", 0);
      const picks = values(1);
      if (axis >= 1 && picks) this.set(y, dims.with(axis - 1, picks.length));
    } else if (node.opType === "DepthToSpace") {
      const size = intOf(node, "blocksize", 1);
      this.set(y, [dims[0]! / size ** 2, dims[1]! * size, dims[2]! * size]);
    } else if (node.opType === "Pad") {
      const pads = values(1);
      if (pads?.length === 2 * (dims.length + 1))
        this.set(
          y,
          dims.map((d, k) => d + pads[k + 1]! + pads[k + 2 + dims.length]!),
        );
    } else if (node.opType === "Slice") {
      const [starts, ends, axes, steps] = [1, 2, 3, 4].map(values);
      if (!starts || !ends || !axes || axes.some((a) => a < 1) || (node.input![4] && !steps)) return;
      const cut = [...dims];
      axes.forEach((axis, k) => {
        const end = Math.min(ends[k]!, dims[axis - 1]!);
        cut[axis - 1] = Math.ceil((end - starts[k]!) / (steps?.[k] ?? 1));
      });
      this.set(y, cut);
    } else this.#inferWindow(node, dims);
  }

  #inferWindow(node: NodeProto, dims: readonly number[]): void {
    const [y] = node.output as [string];
    // Padding channels included: a blocked filter has whole blocks of them.
    const channels = node.opType === "Conv" ? (this.#leading.get(node.input![1]!) ?? 0) : dims[0]!;
    if (node.opType === "GlobalAveragePool" || node.opType === "GlobalMaxPool") {
      this.set(y, [channels, 1, 1]);
      return;
    }
    if (node.opType === "Upsample") {
      const scales = intsOf(node, "scales");
      if (scales?.length === 4) this.set(y, [channels, dims[1]! * scales[2]!, dims[2]! * scales[3]!]);
      return;
    }
    if (node.opType !== "Conv" && node.opType !== "MaxPool" && node.opType !== "AveragePool") return;
    const kernel = intsOf(node, "kernel_shape");
    const pads = intsOf(node, "pads") ?? [0, 0, 0, 0];
    const strides = intsOf(node, "strides") ?? [1, 1];
    const dilations = intsOf(node, "dilations") ?? [1, 1];
    const auto = textOf(node, "auto_pad");
    if (!kernel || intOf(node, "ceil_mode", 0) !== 0 || (auto !== "" && auto !== "NOTSET")) return;
    const size = (k: number): number =>
      Math.floor((dims[k + 1]! + pads[k]! + pads[k + 2]! - dilations[k]! * (kernel[k]! - 1) - 1) / strides[k]!) + 1;
    this.set(y, [channels, size(0), size(1)]);
  }
}

const int64s = (raw: Uint8Array): number[] => Array.from(new BigInt64Array(new Uint8Array(raw).buffer), Number);
/** Dims of what is joined, or split, along the channels. */
export const joinedDims = (parts: readonly (readonly number[])[]): number[] => [
  parts.reduce((sum, p) => sum + p[0]!, 0),
  ...parts[0]!.slice(1),
];
export const splitDims = (dims: readonly number[], sizes: readonly number[]): number[][] =>
  sizes.map((size) => [size, ...dims.slice(1)]);
const broadcast = (a: Dims, b: Dims): Dims => {
  if (!a || !b) return undefined;
  if (a.length === b.length) return a.map((d, k) => (d === 1 ? b[k]! : d));
  // Of fewer axes: repeated over the others, where the longer one has nothing to repeat itself.
  const longer = a.length > b.length ? a : b;
  return longer.includes(1) ? undefined : longer;
};
