import { swapped } from "../../layers/dense.js";
import type { Operation } from "../../program/program.js";
import { Additions, operation } from "../operation.js";
import type { Constant, Graph } from "../serialise.js";
import { POINTWISE } from "../winograd.js";

/**
 * A graph with its products with constant matrices as 1 × 1 convolutions of one pixel each, which take the same time.
 * OpenVINO fuses chains of matrix products, and its search for them ends the process with a segmentation fault where a
 * stream has one thread (2026.4: two dense layers, one way and back, are enough).
 */
export function denseAsConv(graph: Graph): Graph {
  const constants = new Map(graph.constants.map((c) => [c.name, c]));
  const made = new Additions();
  const operations = graph.operations.flatMap((o) => {
    const matrix = constants.get(o.inputs[1] ?? "");
    return matrix && isProduct(o, matrix) ? pointwise(o, matrix, made) : [o];
  });
  return made.in(graph, operations);
}

const isProduct = ({ op, inputs }: Operation, { dims }: Constant): boolean =>
  (op === "MatMul" || (op === "Gemm" && inputs.length === 2)) && dims.length === 2;

/** `x · matrix` along the last axis of `x`: its other axes become the batch and come back afterwards. */
function pointwise({ inputs, outputs, attributes }: Operation, matrix: Constant, made: Additions): Operation[] {
  const [x] = inputs as [string];
  const [y] = outputs as [string];
  const turned = "transB" in attributes;
  const [rows, columns] = matrix.dims as [number, number];
  const [out, width] = turned ? [rows, columns] : [columns, rows];
  const ints = (...values: number[]): string => made.ints(`pointwise_${values.join("_")}`, values);
  const filter: Constant = turned
    ? { ...matrix, name: `${matrix.name}_filter`, dims: [out, width, 1, 1] }
    : { name: `${matrix.name}_turned`, kind: "float32", dims: [out, width, 1, 1], make: () => transposed(matrix) };
  return [
    operation("Shape", [x], `${y}_dims`, { end: { int: -1 } }),
    operation("Concat", [`${y}_dims`, ints(out)], `${y}_shape`, { axis: { int: 0 } }),
    operation("Reshape", [x, ints(-1, width, 1, 1)], `${y}_pixels`),
    operation("Conv", [`${y}_pixels`, made.add(filter)], `${y}_product`, POINTWISE),
    operation("Reshape", [`${y}_product`, `${y}_shape`], y),
  ];
}

function transposed(matrix: Constant): Float32Array {
  const data = ("make" in matrix ? matrix.make() : matrix.data) as Float32Array;
  return swapped({ dims: [...matrix.dims], data }).data;
}
