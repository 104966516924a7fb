import type { Importer, Node, OperatorImport } from "../importer.js";

/** Moves blocks between channels and space: a reshape, a permutation, a reshape. */
const blocks =
  (toSpace: boolean): OperatorImport =>
  (importer: Importer, node: Node) => {
    const x = importer.tensor(node, 0);
    const shape = importer.shape(x);
    const [, c, h, w] = shape as [number, number, number, number];
    const b = node.int("blocksize", 0);
    const fits = toSpace ? c % (b * b) === 0 : h % b === 0 && w % b === 0;
    if (shape.length !== 4 || b < 1 || !fits)
      importer.refuse(node, `blocks of ${b} do not fit an input of dims [N, ${shape.slice(1).join(", ")}]`);
    const depth = c / (b * b);
    const columnsFirst = node.text("mode", "DCR") === "CRD";
    const [inner, permutation, output] = toSpace
      ? columnsFirst
        ? [
            [depth, b, b, h, w],
            [0, 1, 4, 2, 5, 3],
            [depth, h * b, w * b],
          ]
        : [
            [b, b, depth, h, w],
            [0, 3, 4, 1, 5, 2],
            [depth, h * b, w * b],
          ]
      : [
          [c, h / b, b, w / b, b],
          [0, 3, 5, 1, 2, 4],
          [c * b * b, h / b, w / b],
        ];
    const whole = [-1, ...(inner as number[])];
    const apart = importer.push(node, "reshape", [x], [whole], {});
    const moved = (permutation as number[]).map((k) => whole[k]!);
    const turned = importer.push(node, "transpose", apart, [moved], { permutation: permutation as number[] });
    importer.push(node, "reshape", turned, [[-1, ...(output as number[])]], {});
  };

export const DepthToSpace = blocks(true);
export const SpaceToDepth = blocks(false);
