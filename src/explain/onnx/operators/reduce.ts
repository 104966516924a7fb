import { elements, type TensorId } from "../../network/network.js";
import { axisIn, type Importer, type Node, type OperatorImport } from "../importer.js";

/** The axes that a node reduces, counted from the front, ascending. */
function axesOf(importer: Importer, node: Node): number[] {
  const rank = importer.shape(importer.tensor(node, 0)).length;
  const operand = node.inputs[1] ? importer.weight(node, 1, "list of axes") : undefined;
  const given = operand ? Array.from(operand.data) : (node.ints("axes") ?? []);
  if (given.length === 0 && node.int("noop_with_empty_axes", 0) === 1) return [];
  const all = Array.from({ length: rank }, (_, k) => k);
  const axes = given.length > 0 ? given.map((a) => axisIn(importer, node, a, rank)) : all;
  return [...new Set(axes)].sort((a, b) => a - b);
}

function meanOver(importer: Importer, node: Node, axes: number[], keepDims: boolean): TensorId {
  const x = importer.tensor(node, 0);
  const shape = importer.shape(x);
  if (axes.includes(0)) importer.refuse(node, "it works across the frames of a batch");
  if (axes.length === 0) importer.refuse(node, "it names no axis");
  const dims = shape.flatMap((d, k) => (axes.includes(k) ? (keepDims ? [1] : []) : [d]));
  return importer.push(node, "mean", [x], [dims], { axes, keepDims })[0]!;
}

const keeps = (node: Node): boolean => node.int("keepdims", 1) === 1;

export const GlobalAveragePool: OperatorImport = (importer: Importer, node: Node) => {
  const axes = importer.shape(importer.tensor(node, 0)).map((_, k) => k);
  meanOver(importer, node, axes.slice(2), true);
};

export const ReduceMean: OperatorImport = (importer: Importer, node: Node) => {
  const axes = axesOf(importer, node);
  if (axes.length === 0) importer.alias(node, importer.tensor(node, 0));
  else meanOver(importer, node, axes, keeps(node));
};

/** As many times the mean as it has terms. */
export const ReduceSum: OperatorImport = (importer: Importer, node: Node) => {
  const axes = axesOf(importer, node);
  const shape = importer.shape(importer.tensor(node, 0));
  if (axes.length === 0) return importer.alias(node, importer.tensor(node, 0));
  const mean = meanOver(importer, node, axes, keeps(node));
  const terms = axes.reduce((n, axis) => n * shape[axis]!, 1);
  importer.push(node, "scale", [mean], [importer.shape(mean)], { factor: { dims: [], data: Float32Array.of(terms) } });
};

/** A max pool over whole axes; others than height and width are turned to its place and back. */
export const ReduceMax: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const shape = importer.shape(x);
  const axes = axesOf(importer, node);
  if (axes.includes(0)) importer.refuse(node, "it works across the frames of a batch");
  if (axes.length === 0) return importer.alias(node, x);
  const kept = shape.map((_, k) => k).filter((k) => k > 0 && !axes.includes(k));
  const order = [0, ...kept, ...axes];
  const turned = order.map((k) => shape[k]!);
  const at = order.every((axis, k) => axis === k)
    ? x
    : importer.push(node, "transpose", [x], [turned], { permutation: order })[0]!;
  const size = elements(axes.map((k) => shape[k]!));
  const channels = elements(kept.map((k) => shape[k]!));
  const spatial = shape.length === 4 && axes.join() === "2,3";
  const kernel: [number, number] = spatial ? [shape[2]!, shape[3]!] : [1, size];
  const planes = spatial ? at : importer.push(node, "reshape", [at], [[-1, channels, 1, size]], {})[0]!;
  const top = importer.push(node, "maxPool", [planes], [[-1, channels, 1, 1]], {
    kernel,
    strides: [1, 1],
    pads: [0, 0, 0, 0],
    dilations: [1, 1],
  });
  const dims = shape.flatMap((d, k) => (axes.includes(k) ? (keeps(node) ? [1] : []) : [d]));
  if (!(spatial && keeps(node))) importer.push(node, "reshape", top, [dims], {});
};
