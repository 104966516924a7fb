import type { ElementStep, PairLayer, TensorId, Weights } from "../../network/network.js";
import type { Importer, Node, OperatorImport } from "../importer.js";
import type { View } from "../view.js";
import type { Whole } from "../whole.js";
import { rangeOfType } from "../whole-numbers.js";
import { pushScale, requireFit, together, withConstant } from "./broadcast.js";
import { expandTo } from "./gather.js";
import { passThrough } from "./shape.js";

/** One-to-one operators with their attributes and defaults; constants of a PRelu come as an operand. */
const ONE_TO_ONE: Record<string, Record<string, number>> = {
  Relu: {},
  Sigmoid: {},
  Tanh: {},
  Erf: {},
  Softplus: {},
  Softsign: {},
  HardSwish: {},
  Mish: {},
  Sqrt: {},
  Exp: {},
  Log: {},
  Abs: {},
  Reciprocal: {},
  Elu: { alpha: 1 },
  Celu: { alpha: 1 },
  Selu: { alpha: 1.6732632, gamma: 1.0507009 },
  LeakyRelu: { alpha: 0.01 },
  ThresholdedRelu: { alpha: 1 },
  HardSigmoid: { alpha: 0.2, beta: 0.5 },
};

/** A one-to-one function of a tensor, wherever its batch stands. */
function pushActivation(importer: Importer, node: Node, { id, place }: View, steps: ElementStep[]): TensorId {
  return importer.push(node, "activation", [id], [importer.shape(id)], { steps }, place)[0]!;
}

const oneToOne =
  (op: string, defaults: Record<string, number>): OperatorImport =>
  (importer: Importer, node: Node) => {
    const attributes = Object.fromEntries(Object.entries(defaults).map(([k, v]) => [k, node.float(k, v)]));
    pushActivation(importer, node, importer.view(node, 0), [{ op, operands: [0], attributes }]);
  };

export const oneToOneOperators: Record<string, OperatorImport> = Object.fromEntries(
  Object.entries(ONE_TO_ONE).map(([op, defaults]) => [op, oneToOne(op, defaults)]),
);

/** `gelu`, exact or by tanh, as one operator of opset 20, spelled out so that any engine can run it. */
export const Gelu: OperatorImport = (importer: Importer, node: Node) => {
  const c = (v: number): Weights => ({ dims: [], data: Float32Array.of(v) });
  const step = (op: string, ...operands: (number | Weights)[]) => ({ op, operands, attributes: {} });
  const exact = node.text("approximate", "none") === "none";
  const steps = exact
    ? [step("Mul", 0, c(Math.SQRT1_2)), step("Erf", 1), step("Add", 2, c(1)), step("Mul", 3, c(0.5)), step("Mul", 0, 4)]
    : [
        step("Mul", 0, 0),
        step("Mul", 1, 0),
        step("Mul", 2, c(0.044715)),
        step("Add", 0, 3),
        step("Mul", 4, c(Math.sqrt(2 / Math.PI))),
        step("Tanh", 5),
        step("Add", 6, c(1)),
        step("Mul", 7, c(0.5)),
        step("Mul", 0, 8),
      ];
  pushActivation(importer, node, importer.view(node, 0), steps);
};

export const Clip: OperatorImport = (importer: Importer, node: Node) => {
  const bound = (index: number, name: string): number | undefined =>
    node.inputs[index]
      ? importer.weight(node, index, "bound").data[0]
      : node.has(name)
        ? node.float(name, 0)
        : undefined;
  const attributes: Record<string, number> = {};
  const low = bound(1, "min");
  const high = bound(2, "max");
  if (low !== undefined) attributes.min = low;
  if (high !== undefined && high < 3.4e38) attributes.max = high;
  const whole = importer.whole.get(node.inputs[0]!);
  if (whole) return clipWhole(importer, node, whole, attributes);
  pushActivation(importer, node, importer.view(node, 0), [{ op: "Clip", operands: [0], attributes }]);
};

/** Whole numbers of which fewer are used than their type has, as PyTorch's fake quantisation leaves them. */
function clipWhole(importer: Importer, node: Node, whole: Whole, { min, max }: Record<string, number>): void {
  const { id, place } = importer.view(node, 0);
  const range = rangeOfType(importer, node, whole.type);
  const [low, high] = [Math.max(range.low, min ?? range.low), Math.min(range.high, max ?? range.high)];
  const fields = { scale: whole.scale, low: low - whole.zero, high: high - whole.zero };
  importer.push(node, "rounding", [id], [importer.shape(id)], fields, place);
  importer.whole.set(node.outputs[0]!, whole);
}

export const PRelu: OperatorImport = (importer: Importer, node: Node) => {
  const given = importer.weight(node, 1, "slope");
  const { view, constant: slope } = withConstant(importer, node, importer.view(node, 0), given);
  requireFit(importer, node, view.id, slope.dims);
  pushActivation(importer, node, view, [{ op: "PRelu", operands: [0, slope], attributes: {} }]);
};

const map = (w: Weights, fn: (v: number) => number): Weights => ({ dims: w.dims, data: w.data.map(fn) });

/** Splits the operands of a binary operator into tensor and constant; two tensors give no constant. */
function operands(importer: Importer, node: Node): { view: View; constant?: Weights; constantFirst: boolean } {
  const constantFirst = importer.constant(node, 0) !== undefined;
  const view = importer.view(node, constantFirst ? 1 : 0);
  const raw = importer.constant(node, constantFirst ? 0 : 1);
  return raw ? { ...withConstant(importer, node, view, raw), constantFirst } : { view, constantFirst };
}

/** Adds tensors; those that are broadcast are copied first, so that relevance goes back through the copies. */
function addTensors(importer: Importer, node: Node, views: readonly View[]): void {
  const { ids, dims, place } = together(importer, node, views);
  const full = ids.map((id) => expandTo(importer, node, id, dims, place));
  importer.push(node, "add", full, [dims], {}, place);
}

function pushPair(importer: Importer, node: Node, op: PairLayer["op"]): void {
  const { ids, dims, place } = together(importer, node, both(importer, node));
  importer.push(node, "pair", ids, [dims], { op }, place);
}

const both = (importer: Importer, node: Node): [View, View] => [importer.view(node, 0), importer.view(node, 1)];

export const Add: OperatorImport = (importer: Importer, node: Node) => {
  const { view, constant } = operands(importer, node);
  if (constant) pushScale(importer, node, view, { shift: constant });
  else addTensors(importer, node, both(importer, node));
};
/** Constants among the terms are shifts. */
export const Sum: OperatorImport = (importer: Importer, node: Node) => {
  const constants = node.inputs.map((_, k) => importer.constant(node, k)).filter((c) => c !== undefined);
  const views = node.inputs.flatMap((_, k) => (importer.isTensor(node, k) ? [importer.view(node, k)] : []));
  const [first] = views;
  if (first === undefined) importer.refuse(node, "it adds no tensor that depends on the picture");
  if (views.length === 1) importer.alias(node, first.id, first.place);
  else addTensors(importer, node, views);
  for (const raw of constants) {
    const { view, constant } = withConstant(importer, node, importer.made(node), raw);
    pushScale(importer, node, view, { shift: constant });
  }
};
export const Mul: OperatorImport = (importer: Importer, node: Node) => {
  const { view, constant } = operands(importer, node);
  if (constant) pushScale(importer, node, view, { factor: constant });
  else pushPair(importer, node, "Mul");
};
export const Sub: OperatorImport = (importer: Importer, node: Node) => {
  const { view, constant, constantFirst } = operands(importer, node);
  if (!constant) pushPair(importer, node, "Sub");
  else if (constantFirst) pushScale(importer, node, view, { factor: NEGATIVE, shift: constant });
  else pushScale(importer, node, view, { shift: map(constant, (v) => -v) });
};
export const Div: OperatorImport = (importer: Importer, node: Node) => {
  const { view, constant, constantFirst } = operands(importer, node);
  if (!constant) pushPair(importer, node, "Div");
  else if (!constantFirst) pushScale(importer, node, view, { factor: map(constant, (v) => 1 / v) });
  else {
    const id = pushActivation(importer, node, view, [{ op: "Reciprocal", operands: [0], attributes: {} }]);
    if (constant.data.some((v) => v !== 1)) pushScale(importer, node, { ...view, id }, { factor: constant });
  }
};

/** Against a number it is a clip; against more constants a step of an activation; of two tensors it has to be part of one. */
const extreme =
  (op: "Max" | "Min"): OperatorImport =>
  (importer: Importer, node: Node) => {
    if (node.inputs.length === 1) return passThrough(importer, node);
    if (node.inputs.length !== 2) importer.refuse(node, `it compares ${node.inputs.length} tensors; two are known`);
    const { view, constant } = operands(importer, node);
    if (!constant) return pushPair(importer, node, op);
    requireFit(importer, node, view.id, constant.dims);
    const bound = constant.data.length === 1 ? constant.data[0]! : undefined;
    const step: ElementStep =
      bound === undefined
        ? { op, operands: [0, constant], attributes: {} }
        : { op: "Clip", operands: [0], attributes: op === "Max" ? { min: bound } : { max: bound } };
    pushActivation(importer, node, view, [step]);
  };
export const Max = extreme("Max");
export const Min = extreme("Min");

const NEGATIVE: Weights = { dims: [], data: Float32Array.of(-1) };
export const Neg: OperatorImport = (importer: Importer, node: Node) =>
  void pushScale(importer, node, importer.view(node, 0), { factor: NEGATIVE });
export const Pow: OperatorImport = (importer: Importer, node: Node) => {
  const { view, constant, constantFirst } = operands(importer, node);
  if (!constant || constantFirst || constant.data.length !== 1)
    importer.refuse(node, "its exponent is not one constant");
  pushActivation(importer, node, view, [{ op: "Pow", operands: [0, constant], attributes: {} }]);
};
