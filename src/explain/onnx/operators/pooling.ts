import { axisIn, type Importer, type Node, type OperatorImport } from "../importer.js";
import { windowOf } from "./window.js";

export const MaxPool: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const shape = importer.shape(x);
  if (node.outputs[1]) importer.refuse(node, "its indices output is used");
  const { output, extra, ...window } = windowOf(importer, node, shape, node.ints("kernel_shape") ?? []);
  const [top, left, bottom, right] = window.pads;
  importer.push(node, "maxPool", [x], [[-1, shape[1]!, ...output]], {
    ...window,
    pads: [top, left, bottom + extra[0], right + extra[1]],
  });
};

export const AveragePool: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const shape = importer.shape(x);
  const { output, extra, ...window } = windowOf(importer, node, shape, node.ints("kernel_shape") ?? []);
  importer.push(node, "averagePool", [x], [[-1, shape[1]!, ...output]], {
    ...window,
    extra,
    countPadding: node.int("count_include_pad", 0) === 1,
  });
};

const meanOver = (importer: Importer, node: Node, axes: number[], keepDims: boolean): void => {
  const x = importer.tensor(node, 0);
  const shape = importer.shape(x);
  if (axes.includes(0)) importer.refuse(node, "it averages over the batch");
  if (axes.length === 0) importer.refuse(node, "it averages over no axis");
  const dims = shape.flatMap((d, k) => (axes.includes(k) ? (keepDims ? [1] : []) : [d]));
  importer.push(node, "mean", [x], [dims], { axes, keepDims });
};

export const GlobalAveragePool: OperatorImport = (importer: Importer, node: Node) =>
  meanOver(
    importer,
    node,
    importer
      .shape(importer.tensor(node, 0))
      .map((_, k) => k)
      .slice(2),
    true,
  );

export const ReduceMean: OperatorImport = (importer: Importer, node: Node) => {
  const rank = importer.shape(importer.tensor(node, 0)).length;
  const operand = importer.constant(node, 1);
  const axes = (operand ? Array.from(operand.data) : node.ints("axes")) ?? Array.from({ length: rank }, (_, k) => k);
  meanOver(
    importer,
    node,
    axes.map((a) => axisIn(importer, node, a, rank)).sort((a, b) => a - b),
    node.int("keepdims", 1) === 1,
  );
};

export const GlobalMaxPool: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const [, channels, height, width] = importer.shape(x) as [number, number, number, number];
  if (width === undefined) importer.refuse(node, "it pools over other axes than height and width");
  importer.push(node, "maxPool", [x], [[-1, channels, 1, 1]], {
    kernel: [height, width],
    strides: [1, 1],
    pads: [0, 0, 0, 0],
    dilations: [1, 1],
  });
};
