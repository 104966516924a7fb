import { ModelError } from "../../../errors.js";
import type { Constant } from "../../onnx/tensor.js";
import type { Name, OnnxGraph } from "../onnx-graph.js";
import { ELEMENTWISE } from "./elementwise.js";
import { FUSIONS } from "./fused.js";
import { type NodeJson, Op, type OpTranslation } from "./op.js";
import { SHAPES } from "./shapes.js";
import { WINDOWS } from "./windows.js";

/** Every TensorFlow operation that can be explained, by name. */
const OPERATIONS: Record<string, OpTranslation> = { ...ELEMENTWISE, ...FUSIONS, ...SHAPES, ...WINDOWS };

interface GraphJson {
  nodes: NodeJson[];
  signature: unknown;
}
type Ports = Record<string, { name?: string }>;

/** A tensor by node and output. */
const reference = (given: string): { node: string; output: number } => {
  const [node = "", output] = given.split(":");
  return { node, output: Number(output ?? 0) };
};
const data = (inputs: readonly string[] = []): string[] => inputs.filter((i) => !i.startsWith("^"));

/**
 * Writes a graph model as ONNX nodes, and names its output.
 * @throws ModelError naming the operation that cannot be explained
 */
export function translateGraph(graph: OnnxGraph, file: GraphJson, weights: ReadonlyMap<string, Constant>): Name {
  const nodes = new Map(file.nodes.map((n) => [n.name, n]));
  const made = new Map<string, { names: Name[]; op?: Op }>();
  const output = outputOf(file);

  /** Makes a node once all that it reads is made: networks are deeper than calls should be. */
  const make = (last: string): void => {
    const open = [last];
    const waiting = new Set<string>();
    for (let name = open.at(-1); name !== undefined; name = open.at(-1)) {
      const json = nodes.get(name);
      if (!json)
        throw new ModelError(
          "model-corrupt",
          `model.json reads an operation "${name}" that it does not hold; convert the model again.`,
        );
      const missing = data(json.input)
        .map((i) => reference(i).node)
        .filter((n) => !made.has(n));
      if (missing.length === 0 || made.has(name)) {
        if (!made.has(name)) made.set(name, translate(json));
        open.pop();
        continue;
      }
      if (waiting.has(name))
        throw new ModelError("model-unsupported", `operation "${name}" is part of a loop, which cannot be explained.`);
      waiting.add(name);
      open.push(...missing);
    }
  };

  const translate = (json: NodeJson): { names: Name[]; op?: Op } => {
    graph.origin = { name: json.name, kind: json.op };
    const inputs = data(json.input).map((i) => reference(i));
    const names = inputs.map(({ node, output: k }) => made.get(node)!.names[k] ?? made.get(node)!.names[0]!);
    const op = new Op(graph, json, names, (k) => made.get(inputs[k]?.node ?? "")?.op);
    if (json.op === "Const") return { names: [constant(graph, json, weights)] };
    if (json.op === "Placeholder") return { names: [graph.input(json.name, picture(op))] };
    const translation = Object.hasOwn(OPERATIONS, json.op) ? OPERATIONS[json.op] : undefined;
    if (!translation)
      return graph.refuse(
        `no rule says how relevance crosses it; known operations are ${Object.keys(OPERATIONS).sort().join(", ")}`,
      );
    return { names: [translation(op)].flat(), op };
  };

  make(output.node);
  const { names } = made.get(output.node)!;
  return names[output.output] ?? names[0]!;
}

/** Dims without the batch, 0 where they are open. */
function picture(op: Op): number[] {
  const dims = op.dims("shape");
  return dims && dims.length > 1 ? dims.slice(1).map((d) => Math.max(0, d)) : [0, 0, 0];
}

function constant(graph: OnnxGraph, json: NodeJson, weights: ReadonlyMap<string, Constant>): Name {
  const value = weights.get(json.name);
  if (!value)
    throw new ModelError(
      "model-corrupt",
      `the weights hold nothing for the constant "${json.name}"; convert the model again.`,
    );
  return graph.constant(value);
}

/** The one output that the signature names, else the one operation that nothing reads. */
function outputOf({ nodes, signature }: GraphJson): { node: string; output: number } {
  const ports = (signature as { outputs?: Ports } | undefined)?.outputs;
  const named = Object.values(ports ?? {}).flatMap(({ name }) => (name ? [name] : []));
  const read = new Set(nodes.flatMap((n) => data(n.input).map((i) => reference(i).node)));
  const ends = named.length > 0 ? named : nodes.filter((n) => !read.has(n.name) && n.op !== "NoOp").map((n) => n.name);
  if (ends.length !== 1)
    throw new ModelError(
      "model-output",
      `the model has ${ends.length} outputs (${ends.slice(0, 4).join(", ")}), and a classifier has one, the scores.`,
    );
  return reference(ends[0]!);
}
