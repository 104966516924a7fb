import { ELEMENT_CODE } from "../../program/emitter.js";
import type { Operation } from "../../program/program.js";
import { Additions, operation } from "../operation.js";
import type { Constant, Graph } from "../serialise.js";

const ZERO = "planes_zero";

/**
 * Hides from OpenVINO that factors that differ from pixel to pixel are constants, by adding to each a zero that is only known when
 * the program runs. OpenVINO would multiply them into the weights of a convolution that follows wherever they have the kernel's
 * height and width, which is wrong where it pads (2026.4: a plane of 3 × 3 before a padded convolution of 3 × 3).
 */
export function keepPlanesDynamic(graph: Graph): Graph {
  const constants = new Map(graph.constants.map((c) => [c.name, c]));
  const planes = new Map<string, Operation>();
  const dynamic = (name: string): string => {
    const constant = constants.get(name);
    if (constant === undefined || !isPlane(constant)) return name;
    if (!planes.has(name)) planes.set(name, operation("Add", [name, ZERO], `${name}_plane`));
    return `${name}_plane`;
  };
  const operations = graph.operations.map((o) =>
    o.op === "Mul" || o.op === "Div" ? { ...o, inputs: o.inputs.map(dynamic) } : o,
  );
  if (planes.size === 0) return graph;
  const [input] = graph.inputs as [(typeof graph.inputs)[number]];
  const made = new Additions();
  const [row, from, to] = [made.ints("planes_row", [-1]), made.ints("planes_from", [0]), made.ints("planes_to", [1])];
  const none = made.floats("planes_none", [1], [0]);
  // The smaller one of the first number's magnitude and 0.
  const zero = [
    operation("Reshape", [input.name, row], "planes_all"),
    operation("Slice", ["planes_all", from, to, from], "planes_first"),
    operation("Cast", ["planes_first"], "planes_float", { to: { int: ELEMENT_CODE.float32 } }),
    operation("Abs", ["planes_float"], "planes_size"),
    operation("Min", ["planes_size", none], ZERO),
  ];
  return made.in(graph, [...zero, ...planes.values(), ...operations]);
}

const isPlane = ({ kind, dims }: Constant): boolean =>
  kind === "float32" && dims.slice(-2).reduce((product, d) => product * d, 1) > 1;
