import { ELEMENT_CODE } from "../../program/emitter.js";
import type { Operation } from "../../program/program.js";
import type { Constant, Graph } from "../serialise.js";

const ZERO = "planes_zero";
const emit = (op: string, inputs: string[], output: string, attributes: Operation["attributes"] = {}): Operation => ({
  op,
  inputs,
  outputs: [output],
  attributes,
});

/**
 * A graph whose factors that differ from pixel to pixel are no constants in OpenVINO's eyes: it multiplies them into the weights
 * of a convolution that follows wherever they have the kernel's height and width, which is wrong unless it has no padding
 * (2026.4: a plane of 3 × 3 before a padded convolution of 3 × 3). To each is added a zero that is only known when the program runs.
 */
export function withPlanesApart(graph: Graph): Graph {
  const constants = new Map(graph.constants.map((c) => [c.name, c]));
  const planes = new Map<string, Operation>();
  const apart = (name: string): string => {
    const constant = constants.get(name);
    if (constant === undefined || !isPlane(constant)) return name;
    if (!planes.has(name)) planes.set(name, emit("Add", [name, ZERO], `${name}_plane`));
    return `${name}_plane`;
  };
  const operations = graph.operations.map((operation) =>
    operation.op === "Mul" || operation.op === "Div"
      ? { ...operation, inputs: operation.inputs.map(apart) }
      : operation,
  );
  if (planes.size === 0) return graph;
  const [input] = graph.inputs as [(typeof graph.inputs)[number]];
  const ints = (name: string, values: number[]): Constant => ({
    name,
    kind: "int64",
    dims: [values.length],
    data: values,
  });
  const numbers: Constant[] = [
    ints("planes_row", [-1]),
    ints("planes_from", [0]),
    ints("planes_to", [1]),
    { name: "planes_none", kind: "float32", dims: [1], data: Float32Array.of(0) },
  ];
  // The smaller one of the first number's magnitude and 0.
  const zero = [
    emit("Reshape", [input.name, "planes_row"], "planes_all"),
    emit("Slice", ["planes_all", "planes_from", "planes_to", "planes_from"], "planes_first"),
    emit("Cast", ["planes_first"], "planes_float", { to: { int: ELEMENT_CODE.float32 } }),
    emit("Abs", ["planes_float"], "planes_size"),
    emit("Min", ["planes_size", "planes_none"], ZERO),
  ];
  return {
    ...graph,
    constants: [...graph.constants, ...numbers],
    operations: [...zero, ...planes.values(), ...operations],
  };
}

const isPlane = ({ kind, dims }: Constant): boolean =>
  kind === "float32" && dims.slice(-2).reduce((product, d) => product * d, 1) > 1;
