import { ELEMENT_CODE } from "../../program/emitter.js";
import type { Operation } from "../../program/program.js";
import { operation } from "../operation.js";
import type { Graph } from "../serialise.js";

/**
 * A graph whose sums and means of magnitudes that nobody else reads are ReduceL1: one reading of the tensor instead of a
 * writing and two readings. (onnxruntime's ReduceL1 is several times slower than both.)
 */
export function withNorms(graph: Graph): Graph {
  const makers = new Map(graph.operations.flatMap((o) => o.outputs.map((name) => [name, o] as const)));
  const readings = new Map<string, number>();
  for (const { inputs } of graph.operations)
    for (const name of inputs) readings.set(name, (readings.get(name) ?? 0) + 1);
  const gone = new Set<Operation>();
  const operations = graph.operations.flatMap((o) => {
    const magnitude = makers.get(o.inputs[0] ?? "");
    const is = o.op === "ReduceSum" || o.op === "ReduceMean";
    if (!is || magnitude?.op !== "Abs" || readings.get(magnitude.outputs[0]!) !== 1) return [o];
    gone.add(magnitude);
    return norm(o, magnitude.inputs[0]!);
  });
  return { ...graph, operations: operations.filter((o) => !gone.has(o)) };
}

function norm({ op, inputs, outputs, attributes }: Operation, x: string): Operation[] {
  const [y] = outputs as [string];
  const sum = (to: string): Operation => operation("ReduceL1", [x, ...inputs.slice(1)], to, attributes);
  if (op === "ReduceSum") return [sum(y)];
  const float = { to: { int: ELEMENT_CODE.float32 } };
  // All dims are known: what counts the elements is a constant before anything runs.
  return [
    sum(`${y}_l1`),
    operation("Size", [x], `${y}_all`),
    operation("Size", [`${y}_l1`], `${y}_left`),
    operation("Cast", [`${y}_all`], `${y}_all_float`, float),
    operation("Cast", [`${y}_left`], `${y}_left_float`, float),
    operation("Div", [`${y}_all_float`, `${y}_left_float`], `${y}_each`),
    operation("Div", [`${y}_l1`, `${y}_each`], y),
  ];
}
