import type { Importer, Node, OperatorImport } from "../importer.js";
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
