import { elements, type TensorId, type Window } from "../../network/network.js";
import { axisIn, type Importer, type Node, type OperatorImport } from "../importer.js";
import { networkAxes, type Place, type View, withoutAxes } from "../view.js";
import { passThrough } from "./shape.js";

/** The axes that a node reduces, counted from the front, ascending. */
function axesOf(importer: Importer, node: Node): number[] {
  const rank = importer.view(node, 0).dims.length;
  const operand = node.inputs[1] ? importer.weight(node, 1, "list of axes") : undefined;
  const given = operand ? Array.from(operand.data) : (node.ints("axes") ?? []);
  if (given.length === 0 && node.int("noop_with_empty_axes", 0) === 1) return [];
  const all = Array.from({ length: rank }, (_, k) => k);
  const axes = given.length > 0 ? given.map((a) => axisIn(importer, node, a, rank)) : all;
  return [...new Set(axes)].sort((a, b) => a - b);
}

/** What a reduction leaves, and the axes of the network's tensor that it goes over. */
interface Reduction {
  view: View;
  axes: number[];
  dims: number[];
  place: Place;
  keepDims: boolean;
  /** Elements that become one. */
  terms: number;
}

function reductionOf(importer: Importer, node: Node, axes: readonly number[], keepDims: boolean): Reduction {
  const view = importer.view(node, 0);
  if (axes.includes(view.place.axis)) importer.refuse(node, "it works across the frames of a batch");
  if (axes.length === 0) importer.refuse(node, "it names no axis");
  const shape = importer.shape(view.id);
  const along = axes.flatMap((k) => networkAxes(view, k));
  const dims = shape.flatMap((d, k) => (along.includes(k) ? (keepDims ? [1] : []) : [d]));
  const place = keepDims ? view.place : withoutAxes(view.place, axes);
  return { view, axes: along, dims, place, keepDims, terms: elements(along.map((k) => shape[k]!)) };
}

const keeps = (node: Node): boolean => node.int("keepdims", 1) === 1;

/** The mean of the tensor `of`, in place of the node's input, which it is made of one to one. */
const pushMean = (
  importer: Importer,
  node: Node,
  { view, axes, dims, place, keepDims }: Reduction,
  of = view.id,
): TensorId => importer.push(node, "mean", [of], [dims], { axes, keepDims }, place)[0]!;

export const GlobalAveragePool: OperatorImport = (importer: Importer, node: Node) => {
  const axes = importer.shape(importer.tensor(node, 0)).map((_, k) => k);
  pushMean(importer, node, reductionOf(importer, node, axes.slice(2), true));
};

export const ReduceMean: OperatorImport = (importer: Importer, node: Node) => {
  const axes = axesOf(importer, node);
  if (axes.length === 0) passThrough(importer, node);
  else pushMean(importer, node, reductionOf(importer, node, axes, keeps(node)));
};

type Step = [op: string, operand?: number];

/** One-to-one functions in a row. */
function pushSteps(importer: Importer, node: Node, id: TensorId, place: Place, steps: readonly Step[]): TensorId {
  const shape = importer.shape(id);
  return steps.reduce((at, [op, operand]) => {
    const operands = operand === undefined ? [0] : [0, { dims: [], data: Float32Array.of(operand) }];
    return importer.push(node, "activation", [at], [shape], { steps: [{ op, operands, attributes: {} }] }, place)[0]!;
  }, id);
}

/** A sum of what one-to-one functions make of each term, and what others make of it: so many times the mean. */
const sumOf =
  (before: readonly Step[], after: readonly Step[]): OperatorImport =>
  (importer: Importer, node: Node) => {
    const axes = axesOf(importer, node);
    const { id, place } = importer.view(node, 0);
    if (axes.length === 0) {
      passThrough(importer, node);
      pushSteps(importer, node, id, place, [...before, ...after]);
      return;
    }
    const reduction = reductionOf(importer, node, axes, keeps(node));
    const mean = pushMean(importer, node, reduction, pushSteps(importer, node, id, place, before));
    const factor = { dims: [], data: Float32Array.of(reduction.terms) };
    const sum = importer.push(node, "scale", [mean], [reduction.dims], { factor }, reduction.place)[0]!;
    pushSteps(importer, node, sum, reduction.place, after);
  };

export const ReduceSum = sumOf([], []);
export const ReduceL1 = sumOf([["Abs"]], []);
export const ReduceL2 = sumOf([["Pow", 2]], [["Sqrt"]]);
export const ReduceSumSquare = sumOf([["Pow", 2]], []);

/** A max pool over whole axes; others than height and width are turned to its place and back. */
export const ReduceMax: OperatorImport = (importer: Importer, node: Node) => {
  const given = axesOf(importer, node);
  if (given.length === 0) return passThrough(importer, node);
  const { view, axes, dims, place, terms } = reductionOf(importer, node, given, keeps(node));
  const shape = importer.shape(view.id);
  const kept = shape.map((_, k) => k).filter((k) => k > 0 && !axes.includes(k));
  const order = [0, ...kept, ...axes];
  const turned = order.map((k) => shape[k]!);
  const at = order.every((axis, k) => axis === k)
    ? view.id
    : importer.push(node, "transpose", [view.id], [turned], { permutation: order })[0]!;
  const channels = elements(kept.map((k) => shape[k]!));
  const spatial = shape.length === 4 && axes.join() === "2,3";
  const kernel: [number, number] = spatial ? [shape[2]!, shape[3]!] : [1, terms];
  const planes = spatial ? at : importer.push(node, "reshape", [at], [[-1, channels, 1, terms]], {})[0]!;
  const window = { kernel, strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] } satisfies Window;
  const top = importer.push(node, "maxPool", [planes], [[-1, channels, 1, 1]], window, place);
  if (!(spatial && keeps(node))) importer.push(node, "reshape", top, [dims], {}, place);
};
