import { ModelError } from "../../errors.js";
import { truncateMiddle } from "../../truncate.js";
import type { AttributeProto, FunctionProto, GraphProto, NodeProto, Scope, TensorProto } from "../proto/onnx.js";

/** Nodes of a file, functions and branches written out, beyond which it is damaged rather than large. */
export const MAX_NODES = 100_000;
/** Functions in functions, branches in branches. */
const DEEPEST = 64;

/** What a name inside of a subgraph means in the graph that it is written into. */
export function resolve(name: string, scope: Scope | undefined): string {
  for (let at = scope; at; at = at.around) {
    const known = at.names.get(name);
    if (known !== undefined) return known;
  }
  return name;
}

const moved = (node: NodeProto, scope: Scope): NodeProto => ({
  ...node,
  input: node.input?.map((name) => name && resolve(name, scope)),
  output: node.output?.map((name) => name && resolve(name, scope)),
  scope,
});

function depthOf(scope: Scope | undefined): number {
  let depth = 0;
  for (let at = scope; at; at = at.around) depth++;
  return depth;
}

const refuse = (how: string): never => {
  throw new ModelError("model-size", how);
};

export function refuseSize(nodes: number): void {
  if (nodes > MAX_NODES)
    refuse(`the model has ${nodes} nodes or more, and up to ${MAX_NODES} are read; give the file of a classifier`);
}

function refuseDepth(depth: number): void {
  if (depth > DEEPEST)
    refuse(`the model nests functions or branches more than ${DEEPEST} deep; give the file of a classifier`);
}

/**
 * The nodes and weights of a branch as parts of the graph around it: what it defines is named after the node's
 * output, and its outputs are the node's.
 */
export function branchOf(node: NodeProto, branch: GraphProto): { node: NodeProto[]; initializer: TensorProto[] } {
  const prefix = `${node.output?.[0] ?? ""}/`;
  refuseLetters(lettersOf(branch.node ?? [], prefix));
  const own = [...(branch.initializer ?? []).map((t) => t.name ?? ""), ...(branch.node ?? []).flatMap(outputsOf)];
  const names = new Map(own.filter((name) => name !== "").map((name) => [name, prefix + name]));
  const scope: Scope = { names, ...(node.scope && { around: node.scope }) };
  refuseDepth(depthOf(scope));
  const results = (branch.output ?? []).map(({ name }, k) => ({
    opType: "Identity",
    name: `${prefix}${k}`,
    input: [resolve(name, scope)],
    output: [node.output?.[k] ?? ""],
  }));
  return {
    node: [...(branch.node ?? []).map((n) => moved(n, scope)), ...results],
    initializer: (branch.initializer ?? []).map((t) => ({ ...t, name: resolve(t.name ?? "", scope) })),
  };
}

const outputsOf = (node: NodeProto): string[] => node.output ?? [];

/** Names around a node that the graphs inside of it read. */
export function capturedBy(node: NodeProto): string[] {
  const found: string[] = [];
  const open = (node.attribute ?? []).flatMap(({ g }) => (g ? [g] : []));
  for (let graph = open.pop(); graph; graph = open.pop()) {
    found.push(...(graph.output ?? []).map(({ name }) => name));
    for (const inner of graph.node ?? []) {
      found.push(...(inner.input ?? []));
      open.push(...(inner.attribute ?? []).flatMap(({ g }) => (g ? [g] : [])));
    }
  }
  return found.map((name) => resolve(name, node.scope));
}

/** Characters of the names in functions and branches, written out, beyond which a file is damaged. */
const MAX_NAME_CHARACTERS = 2 ** 27;

/** @throws ModelError where writing names behind a prefix takes more room than the names of any network */
function refuseLetters(letters: number): void {
  if (letters > MAX_NAME_CHARACTERS)
    refuse(
      "the names in the model's functions or branches are too long to be written out; export it again with shorter names",
    );
}

/** Characters of the names that nodes define and read. */
const lettersOf = (nodes: readonly NodeProto[], prefix: string): number =>
  nodes.reduce((sum, node) => sum + lettersIn(node, prefix.length), 0);
const lettersIn = ({ name, input = [], output = [] }: NodeProto, prefix: number): number =>
  [name ?? "", ...input, ...output].reduce((sum, text) => sum + text.length + prefix, 0);

const keyOf = (of: { domain?: string; overload?: string }, name: string): string =>
  `${of.domain ?? ""}:${name}:${of.overload ?? ""}`;

/** The nodes with those that call a function of the file written out, as exporters of PyTorch leave them. */
export function writeOut(nodes: readonly NodeProto[], functions: readonly FunctionProto[]): NodeProto[] {
  if (functions.length === 0) return [...nodes];
  const known = new Map(functions.map((f) => [keyOf(f, f.name), f]));
  const done: NodeProto[] = [];
  const open = nodes.map((node) => ({ node, depth: 0 })).reverse();
  let [calls, letters] = [0, 0];
  for (let next = open.pop(); next; next = open.pop()) {
    const { node, depth } = next;
    const body = known.get(keyOf(node, node.opType));
    if (!body) {
      done.push(node);
      continue;
    }
    refuseDepth(depth + 1);
    const prefix = `${truncateMiddle(node.name || body.name, 100)}/${calls++}/`;
    letters += lettersOf(body.node ?? [], prefix);
    refuseLetters(letters);
    const inside = called(node, body, prefix);
    refuseSize(done.length + open.length + inside.length + calls);
    open.push(...inside.map((inner) => ({ node: inner, depth: depth + 1 })).reverse());
  }
  return done;
}

function called(call: NodeProto, body: FunctionProto, prefix: string): NodeProto[] {
  const nodes = body.node ?? [];
  const names = new Map(nodes.flatMap(outputsOf).map((name) => [name, prefix + name]));
  for (const [k, name] of (body.input ?? []).entries()) names.set(name, call.input?.[k] ?? "");
  const results = (body.output ?? []).flatMap((name, k) => {
    const to = call.output?.[k];
    if (!to) return [];
    // An output that is an input too is another name of it.
    if (body.input?.includes(name)) return [{ opType: "Identity", input: [names.get(name)!], output: [to] }];
    names.set(name, to);
    return [];
  });
  const given = new Map([...(body.attributeProto ?? []), ...(call.attribute ?? [])].map((a) => [a.name, a]));
  const scope: Scope = { names };
  const attributes = (node: NodeProto): AttributeProto[] =>
    (node.attribute ?? []).flatMap((a) => {
      if (!a.refAttrName) return [a];
      const value = given.get(a.refAttrName);
      return value ? [{ ...value, name: a.name }] : [];
    });
  return [
    ...nodes.map((node) => ({ ...moved(node, scope), name: prefix + (node.name ?? ""), attribute: attributes(node) })),
    ...results,
  ];
}
