import type { Operation } from "../program/program.js";
import type { Constant, Float16Constant, Graph } from "./serialise.js";

/** An operation of one output, as the passes add them to a graph. */
export const operation = (
  op: string,
  inputs: string[],
  output: string,
  attributes: Operation["attributes"] = {},
): Operation => ({ op, inputs, outputs: [output], attributes });

/** Constants that a pass adds to a graph; those of one name are the same. `Kind` is `Float16Constant` where it adds such. */
export class Additions<Kind extends Float16Constant = never> {
  readonly #made = new Map<string, Constant | Kind>();

  add(constant: Constant | Kind): string {
    this.#made.set(constant.name, constant);
    return constant.name;
  }
  ints(name: string, values: readonly number[]): string {
    return this.add({ name, kind: "int64", dims: [values.length], data: values });
  }
  floats(name: string, dims: readonly number[], values: readonly number[]): string {
    return this.add({ name, kind: "float32", dims, data: Float32Array.from(values) });
  }

  /** The graph with these operations, and with the constants that they read. */
  in(graph: Graph, operations: readonly Operation[]) {
    const read = new Set(operations.flatMap((o) => o.inputs));
    const kept = graph.constants.filter((c) => read.has(c.name));
    return { ...graph, operations, constants: [...kept, ...this.#made.values()] };
  }
}
