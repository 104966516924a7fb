import { Additions, operation } from "../operation.js";
import type { Graph } from "../serialise.js";

/**
 * A graph that rounds by Floor(x + ½): onnxruntime's WebGPU provider has no Round, and the numbers would go to the processor
 * and back for it. A half is rounded up where Round takes the even neighbour.
 */
export function roundAsFloor(graph: Graph): Graph {
  if (!graph.operations.some(({ op }) => op === "Round")) return graph;
  const made = new Additions();
  const half = made.floats("round_half", [], [0.5]);
  const operations = graph.operations.flatMap((o) => {
    if (o.op !== "Round") return [o];
    const raised = `${o.outputs[0]}_raised`;
    return [operation("Add", [o.inputs[0]!, half], raised), operation("Floor", [raised], o.outputs[0]!)];
  });
  return made.in(graph, operations);
}
