import { windowAttributes } from "../../program/emitter.js";
import type { Operation, ProgramConstant } from "../../program/program.js";
import type { Constant, Graph } from "../serialise.js";

/** A 1 × 1 convolution. */
const POINTWISE: Operation["attributes"] = {
  ...windowAttributes({ kernel: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] }),
  group: { int: 1 },
};

/**
 * A graph with its products with constant matrices as 1 × 1 convolutions of one pixel each, which take the same time.
 * OpenVINO fuses chains of matrix products, and its search for them ends the process with a segmentation fault where a
 * stream has one thread (2026.4: two dense layers, one way and back, are enough).
 */
export function withoutMatrices(graph: Graph): Graph {
  const constants = new Map(graph.constants.map((c) => [c.name, c]));
  const made = new Map<string, Constant>();
  const operations = graph.operations.flatMap((operation) => {
    const matrix = constants.get(operation.inputs[1] ?? "");
    return matrix && isProduct(operation, matrix) ? pointwise(operation, matrix, made) : [operation];
  });
  const read = new Set(operations.flatMap((o) => o.inputs));
  return { ...graph, operations, constants: [...graph.constants.filter((c) => read.has(c.name)), ...made.values()] };
}

const isProduct = ({ op, inputs }: Operation, { dims }: Constant): boolean =>
  (op === "MatMul" || (op === "Gemm" && inputs.length === 2)) && dims.length === 2;

/** `x · matrix` along the last axis of `x`: its other axes become the batch and come back afterwards. */
function pointwise(
  { inputs, outputs, attributes }: Operation,
  matrix: Constant,
  made: Map<string, Constant>,
): Operation[] {
  const [x] = inputs as [string];
  const [y] = outputs as [string];
  const turned = "transB" in attributes;
  const [rows, columns] = matrix.dims as [number, number];
  const [out, width] = turned ? [rows, columns] : [columns, rows];
  const share = (constant: Constant): string => {
    made.set(constant.name, constant);
    return constant.name;
  };
  const ints = (...values: number[]): string =>
    share({ name: `pointwise_${values.join("_")}`, kind: "int64", dims: [values.length], data: values });
  const filter: Constant = turned
    ? { ...matrix, name: `${matrix.name}_filter`, dims: [out, width, 1, 1] }
    : { name: `${matrix.name}_turned`, kind: "float32", dims: [out, width, 1, 1], make: () => transposed(matrix) };
  const emit = (op: string, from: string[], to: string, more: Operation["attributes"] = {}): Operation => ({
    op,
    inputs: from,
    outputs: [`${y}_${to}`],
    attributes: more,
  });
  return [
    emit("Shape", [x], "dims", { end: { int: -1 } }),
    emit("Concat", [`${y}_dims`, ints(out)], "shape", { axis: { int: 0 } }),
    emit("Reshape", [x, ints(-1, width, 1, 1)], "pixels"),
    emit("Conv", [`${y}_pixels`, share(filter)], "product", POINTWISE),
    { op: "Reshape", inputs: [`${y}_product`, `${y}_shape`], outputs: [y], attributes: {} },
  ];
}

function transposed(matrix: Constant): Float32Array {
  const data = ("make" in matrix ? matrix.make() : matrix.data) as ProgramConstant["data"] as Float32Array;
  const [rows, columns] = matrix.dims as [number, number];
  const turned = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) turned[c * rows + r] = data[r * columns + c]!;
  return turned;
}
