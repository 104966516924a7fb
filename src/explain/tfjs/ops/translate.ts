import { ModelError } from "../../../errors.js";
import type { GraphOutput } from "../../onnx/outputs.js";
import type { Constant } from "../../onnx/tensor.js";
import { makeInOrder, type Name, type OnnxGraph, outputsOf, refuseDamaged } from "../../tensorflow/onnx-graph.js";
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
 * Writes a graph model as ONNX nodes, and names its outputs, each with the refusal that names the operation that cannot be
 * explained, if there is one.
 */
export function translateGraph(
  graph: OnnxGraph,
  file: GraphJson,
  weights: ReadonlyMap<string, Constant>,
): GraphOutput[] {
  const nodes = new Map(file.nodes.map((n) => [n.name, n]));
  const made = new Map<string, { names: Name[]; op?: Op }>();

  const makingOf = (name: string) => {
    const json = nodes.get(name);
    if (!json) return refuseDamaged(`model.json reads an operation "${name}" that it does not hold`);
    const reads = data(json.input).map((i) => reference(i).node);
    return { shown: `operation "${name}"`, reads, make: () => translate(json) };
  };

  const translate = (json: NodeJson): { names: Name[]; op?: Op } => {
    graph.origin = { name: json.name, kind: json.op };
    const inputs = data(json.input).map((i) => reference(i));
    const names = inputs.map(({ node, output: k }) => made.get(node)!.names[k] ?? made.get(node)!.names[0]!);
    const op = new Op(graph, json, names, (k) => made.get(inputs[k]?.node ?? "")?.op);
    if (json.op === "Const") return { names: [constant(graph, json, weights)] };
    if (json.op === "Placeholder") return { names: [graph.input(json.name, picture(op))] };
    const translation = Object.hasOwn(OPERATIONS, json.op) ? OPERATIONS[json.op] : undefined;
    if (!translation) return graph.refuse("no rule says how relevance crosses it");
    return { names: [translation(op)].flat(), op };
  };

  return outputsOf(
    endsOf(file).map(({ key, name }) => {
      const { node, output } = reference(name);
      const tensor = (): Name => {
        makeInOrder(node, made, (name) => name, makingOf);
        const { names } = made.get(node)!;
        return names[output] ?? names[0]!;
      };
      return { shown: key, alias: node, make: tensor };
    }),
  );
}

/** Dims without the batch, 0 where they are open. */
function picture(op: Op): number[] {
  const dims = op.dims("shape");
  return dims && dims.length > 1 ? dims.slice(1).map((d) => Math.max(0, d)) : [0, 0, 0];
}

function constant(graph: OnnxGraph, json: NodeJson, weights: ReadonlyMap<string, Constant>): Name {
  const value = weights.get(json.name);
  if (!value) return refuseDamaged(`the weights hold nothing for the constant "${json.name}"`);
  return graph.constant(value);
}

/** The outputs that the signature names, else the operations that nothing reads. */
function endsOf({ nodes, signature }: GraphJson): { key: string; name: string }[] {
  const ports = (signature as { outputs?: Ports } | undefined)?.outputs;
  const named = Object.entries(ports ?? {}).flatMap(([key, { name }]) => (name ? [{ key, name }] : []));
  if (named.length > 0) return named;
  const read = new Set(nodes.flatMap((n) => data(n.input).map((i) => reference(i).node)));
  const ends = nodes.filter((n) => !read.has(n.name) && n.op !== "NoOp").map(({ name }) => ({ key: name, name }));
  if (ends.length === 0)
    throw new ModelError("model-output", "model.json names no output, the scores; convert the model again");
  return ends;
}
