/** Norms spelled out of several nodes, told by what their parts mean. */
import { UNARY } from "./elementwise.js";
import { type Forward, liveInputs } from "./forward.js";
import type { OnnxNode } from "./onnx-reader.js";

interface Producer {
  producer: ReadonlyMap<string, OnnxNode>;
}

/** A tensor and what it is scaled or shifted by. */
export interface Norm {
  x: string;
  by: string;
  /** Of a sum or difference: whether x is added or subtracted. */
  shift?: 1 | -1;
  /** Whether it is part of a layer norm. */
  centred: boolean;
}

/** The tensor that a product, quotient or difference is a norm of, and the name of what it is measured by. */
export function normalisedBy(run: Forward, structure: Producer, node: OnnxNode): Norm | undefined {
  const shift = centring(run, structure, node);
  if (shift) return { ...shift, centred: true };
  const measured = measuredBy(run, structure, node);
  if (!measured) return undefined;
  const inner = corePast(run, structure, measured.x);
  const around = run.model.nodes.some(
    (other) => SUMS.has(other.op) && other.inputs.includes(node.outputs[0]!) && centring(run, structure, other),
  );
  const centred = around || (inner !== undefined && centring(run, structure, inner) !== undefined);
  return { ...measured, centred };
}

const SUMS = new Set(["Add", "Sub", "Sum"]);
const REDUCTIONS = new Set(["ReduceMean", "ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceMax"]);
const ARITHMETIC = new Set(["Add", "Sub", "Mul", "Div", "Pow", "Sum", "Max", "Min"]);
const REORDERS = ["Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity"];

function measuredBy(run: Forward, structure: Producer, node: OnnxNode): { x: string; by: string } | undefined {
  const live = liveInputs(run, node);
  if (live.length !== 2) return undefined;
  const [a, b] = live as [string, string];
  if (node.op === "Div") return { x: a, by: b };
  if (node.op !== "Mul") return undefined;
  const [first, second] = [a, b].map((name) => endsInReciprocal(run, structure, name));
  if (first !== second) return first ? { x: b, by: a } : { x: a, by: b };
  if (measures(run, structure, b, a)) return { x: a, by: b };
  if (measures(run, structure, a, b)) return { x: b, by: a };
  return undefined;
}

/** `(x − μ) / σ` and `x / σ − μ / σ`: the x that μ is the statistic of, where the norm takes it off. */
function centring(run: Forward, structure: Producer, node: OnnxNode): Omit<Norm, "centred"> | undefined {
  const live = liveInputs(run, node);
  if (live.length !== 2 || !SUMS.has(node.op)) return undefined;
  const [a, b] = live as [string, string];
  for (const [x, by] of [
    [a, b],
    [b, a],
  ] as const) {
    const shift = node.op === "Sub" && x === b ? -1 : 1;
    if (isMeasuredBefore(run, structure, x, by)) return { x, by, shift };
    const takesOff = node.op === "Sub" && isStatistic(run, structure, by, x);
    if (takesOff && isMeasuredBehind(run, structure, node.outputs[0]!, x)) return { x, by, shift };
  }
  return undefined;
}

function isMeasuredBefore(run: Forward, structure: Producer, name: string, by: string): boolean {
  const product = corePast(run, structure, name);
  const measured = product && measuredBy(run, structure, product);
  if (!measured) return false;
  const isPart = (part: string): boolean =>
    part === measured.by || (structure.producer.get(part)?.inputs.some(isPart) ?? false);
  return measures(run, structure, measured.by, measured.x) && isStatistic(run, structure, by, measured.x) && isPart(by);
}

function isMeasuredBehind(run: Forward, structure: Producer, name: string, x: string): boolean {
  return run.model.nodes.some((node) => {
    if (!node.inputs.includes(name)) return false;
    if (isPlain(run, node)) return isMeasuredBehind(run, structure, node.outputs[0]!, x);
    const measured = measuredBy(run, structure, node);
    return measured?.x === name && [name, x].some((of) => isStatistic(run, structure, measured.by, of));
  });
}

/** Another order or a constant factor. */
const isPlain = (run: Forward, node: OnnxNode): boolean =>
  REORDERS.includes(node.op) || (["Mul", "Div", "Neg"].includes(node.op) && liveInputs(run, node).length === 1);

/** The node behind reorderings and constant factors. */
function corePast(run: Forward, structure: Producer, name: string): OnnxNode | undefined {
  const node = structure.producer.get(name);
  return node && isPlain(run, node) ? corePast(run, structure, liveInputs(run, node)[0]!) : node;
}

/** `c / y` or a negative power of y, behind whatever moves. */
function endsInReciprocal(run: Forward, structure: Producer, name: string): boolean {
  const node = structure.producer.get(name);
  if (!node) return false;
  const [live] = liveInputs(run, node);
  if (node.op === "Reciprocal") return true;
  if (node.op === "Div" && liveInputs(run, node).length === 1) return node.inputs[1] === live;
  if (node.op === "Pow" && !run.live.has(node.inputs[1]!))
    return run.values.get(node.inputs[1]!)!.data.every((v) => v < 0);
  return run.moves.has(node) && liveInputs(run, node).every((input) => endsInReciprocal(run, structure, input));
}

/** Whether a tensor is a statistic of `x`, or of what `x` was before its mean was taken off. */
function measures(run: Forward, structure: Producer, name: string, x: string): boolean {
  if (isStatistic(run, structure, name, x)) return true;
  const difference = corePast(run, structure, x);
  if (difference?.op !== "Sub") return false;
  const [a, b] = difference.inputs as [string, string];
  return [
    [a, b],
    [b, a],
  ].some(([of, mean]) => isStatistic(run, structure, mean!, of!) && isStatistic(run, structure, name, of!));
}

/** Made of reductions of `x`, element-wise functions of them and constants. */
function isStatistic(run: Forward, structure: Producer, name: string, x: string): boolean {
  const node = structure.producer.get(name);
  if (!node || !run.live.has(name)) return false;
  if (REDUCTIONS.has(node.op) || node.op === "GlobalAveragePool") return isMadeOf(run, structure, node.inputs[0]!, x);
  return isElementwise(run, node) && liveInputs(run, node).every((input) => isStatistic(run, structure, input, x));
}

/** `x` itself, element-wise functions of it, and its statistics. */
function isMadeOf(run: Forward, structure: Producer, name: string, x: string): boolean {
  if (unmoved(structure, name) === unmoved(structure, x)) return true;
  const node = structure.producer.get(name);
  if (!node) return false;
  if (isStatistic(run, structure, name, x)) return true;
  return isElementwise(run, node) && liveInputs(run, node).every((input) => isMadeOf(run, structure, input, x));
}

const isElementwise = (run: Forward, node: OnnxNode): boolean =>
  node.op in UNARY || ARITHMETIC.has(node.op) || run.moves.has(node);

/** The tensor whose elements these are, in whatever order. */
function unmoved(structure: Producer, name: string): string {
  const node = structure.producer.get(name);
  return node && REORDERS.includes(node.op) ? unmoved(structure, node.inputs[0]!) : name;
}
