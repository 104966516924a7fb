import type { ElementStep, PairLayer, TensorId, Weights } from "../../network/network.js";
import { float32, type Importer, type Node, type OperatorImport } from "../importer.js";
import type { Constant } from "../tensor.js";
import { expandTo } from "./gather.js";

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

const oneToOne =
  (op: string, defaults: Record<string, number>): OperatorImport =>
  (importer: Importer, node: Node) => {
    const x = importer.tensor(node, 0);
    const attributes = Object.fromEntries(Object.entries(defaults).map(([k, v]) => [k, node.float(k, v)]));
    importer.push(node, "activation", [x], [importer.shape(x)], { steps: [{ op, operands: [0], attributes }] });
  };

export const oneToOneOperators: Record<string, OperatorImport> = Object.fromEntries(
  Object.entries(ONE_TO_ONE).map(([op, defaults]) => [op, oneToOne(op, defaults)]),
);

/** `gelu`, exact or by tanh, as one operator of opset 20, spelled out so that any engine can run it. */
export const Gelu: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
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
  importer.push(node, "activation", [x], [importer.shape(x)], { steps });
};

export const Clip: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
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
  importer.push(node, "activation", [x], [importer.shape(x)], { steps: [{ op: "Clip", operands: [0], attributes }] });
};

export const PRelu: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const given = importer.weight(node, 1, "slope");
  const slope = perFrame(given, importer.shape(x).length);
  if (!slope) importer.refuse(node, `its slope [${given.dims.join(", ")}] differs between the frames of a batch`);
  requireFit(importer, node, x, slope.dims);
  importer.push(node, "activation", [x], [importer.shape(x)], {
    steps: [{ op: "PRelu", operands: [0, slope], attributes: {} }],
  });
};

/** A constant as it broadcasts against a tensor of `rank` axes, batch axis dropped; undefined where it varies over the batch. */
function perFrame(constant: Constant, rank: number): Weights | undefined {
  if (constant.data.length === 1) return { dims: [], data: float32(constant) };
  if (constant.dims.length > rank) return undefined;
  if (constant.dims.length === rank && constant.dims[0] !== 1) return undefined;
  return { dims: constant.dims.length === rank ? constant.dims.slice(1) : constant.dims, data: float32(constant) };
}

const map = (w: Weights, fn: (v: number) => number): Weights => ({ dims: w.dims, data: w.data.map(fn) });
const broadcastDims = (a: readonly number[], b: readonly number[]): number[] | undefined => {
  const rank = Math.max(a.length, b.length);
  const at = (d: readonly number[], k: number) => d[k - (rank - d.length)] ?? 1;
  const dims = Array.from({ length: rank }, (_, k) => {
    const [x, y] = [at(a, k), at(b, k)];
    return x === y || y === 1 ? x : x === 1 ? y : Number.NaN;
  });
  return dims.some(Number.isNaN) ? undefined : dims;
};

/** Refuses constant dims (batch axis left out) that do not broadcast to those of a tensor. */
export function requireFit(importer: Importer, node: Node, x: TensorId, constant: readonly number[]): void {
  const shape = importer.shape(x);
  const dims = broadcastDims(shape.slice(1), constant);
  if (!dims || dims.length !== shape.length - 1 || dims.some((d, k) => d !== shape[k + 1]))
    importer.refuse(
      node,
      `its constant [${constant.join(", ")}] would change the shape of its input [N, ${shape.slice(1).join(", ")}]`,
    );
}

/** Pushes a scale and shift; where the constant is larger along some axes, the tensor is copied along them first. */
function pushScale(importer: Importer, node: Node, x: TensorId, fields: { factor?: Weights; shift?: Weights }): void {
  let at = x;
  for (const constant of [fields.factor, fields.shift]) {
    if (!constant) continue;
    const shape = importer.shape(at);
    const dims = broadcastDims(shape.slice(1), constant.dims);
    if (dims?.length === shape.length - 1) at = expandTo(importer, node, at, [-1, ...dims]);
    requireFit(importer, node, at, constant.dims);
  }
  importer.push(node, "scale", [at], [importer.shape(at)], fields);
}

/** Splits the operands of a binary operator into tensor and constant; two tensors give no constant. */
function operands(importer: Importer, node: Node): { x: TensorId; constant?: Weights; constantFirst: boolean } {
  const constantFirst = importer.constant(node, 0) !== undefined;
  const x = importer.tensor(node, constantFirst ? 1 : 0);
  const raw = importer.constant(node, constantFirst ? 0 : 1);
  if (!raw) return { x, constantFirst };
  const constant = perFrame(raw, importer.shape(x).length);
  if (!constant) importer.refuse(node, `its constant [${raw.dims.join(", ")}] differs between the frames of a batch`);
  return { x, constant, constantFirst };
}

/** The dims that tensors broadcast to together. */
function commonDims(importer: Importer, node: Node, ids: readonly TensorId[]): number[] {
  const shapes = ids.map((id) => importer.shape(id));
  const dims = shapes.reduce<number[] | undefined>((d, s) => d && broadcastDims(d, s), [...shapes[0]!]);
  const longest = Math.max(...shapes.map((s) => s.length));
  if (!dims || dims[0] !== -1 || shapes.some((s) => s.length < longest && s.length > 1))
    importer.refuse(
      node,
      `its inputs have dims that do not fit each other (${shapes.map((s) => `[${s.join(", ")}]`).join(" and ")})`,
    );
  return dims;
}

/** Adds tensors; those that are broadcast are copied first, so that relevance goes back through the copies. */
function addTensors(importer: Importer, node: Node, ids: readonly TensorId[]): void {
  const dims = commonDims(importer, node, ids);
  importer.push(
    node,
    "add",
    ids.map((id) => expandTo(importer, node, id, dims)),
    [dims],
    {},
  );
}

function pushPair(importer: Importer, node: Node, op: PairLayer["op"], ids: readonly [TensorId, TensorId]): TensorId {
  return importer.push(node, "pair", [...ids], [commonDims(importer, node, ids)], { op })[0]!;
}

const both = (importer: Importer, node: Node): [TensorId, TensorId] => [
  importer.tensor(node, 0),
  importer.tensor(node, 1),
];

export const Add: OperatorImport = (importer: Importer, node: Node) => {
  const { x, constant } = operands(importer, node);
  if (constant) pushScale(importer, node, x, { shift: constant });
  else addTensors(importer, node, both(importer, node));
};
/** Constants among the terms are shifts. */
export const Sum: OperatorImport = (importer: Importer, node: Node) => {
  const constants = node.inputs.map((_, k) => importer.constant(node, k)).filter((c) => c !== undefined);
  const ids = node.inputs.flatMap((_, k) => (importer.isTensor(node, k) ? [importer.tensor(node, k)] : []));
  const [first] = ids;
  if (first === undefined) importer.refuse(node, "it adds no tensor that depends on the picture");
  if (ids.length === 1) importer.alias(node, first);
  else addTensors(importer, node, ids);
  for (const constant of constants) {
    const x = importer.tensors.get(node.outputs[0]!)!;
    const shift = perFrame(constant, importer.shape(x).length);
    if (!shift)
      importer.refuse(node, `its constant [${constant.dims.join(", ")}] differs between the frames of a batch`);
    pushScale(importer, node, x, { shift });
  }
};
export const Mul: OperatorImport = (importer: Importer, node: Node) => {
  const { x, constant } = operands(importer, node);
  if (constant) pushScale(importer, node, x, { factor: constant });
  else pushPair(importer, node, "Mul", both(importer, node));
};
export const Sub: OperatorImport = (importer: Importer, node: Node) => {
  const { x, constant, constantFirst } = operands(importer, node);
  if (!constant) pushPair(importer, node, "Sub", both(importer, node));
  else if (constantFirst)
    pushScale(importer, node, x, { factor: { dims: [], data: Float32Array.of(-1) }, shift: constant });
  else pushScale(importer, node, x, { shift: map(constant, (v) => -v) });
};
export const Div: OperatorImport = (importer: Importer, node: Node) => {
  const { x, constant, constantFirst } = operands(importer, node);
  if (!constant) pushPair(importer, node, "Div", both(importer, node));
  else if (!constantFirst) pushScale(importer, node, x, { factor: map(constant, (v) => 1 / v) });
  else {
    const step = { op: "Reciprocal", operands: [0], attributes: {} };
    const [inverse] = importer.push(node, "activation", [x], [importer.shape(x)], { steps: [step] });
    if (constant.data.some((v) => v !== 1)) pushScale(importer, node, inverse!, { factor: constant });
  }
};

/** Against a number it is a clip; against more constants a step of an activation; of two tensors it has to be part of one. */
const extreme =
  (op: "Max" | "Min"): OperatorImport =>
  (importer: Importer, node: Node) => {
    if (node.inputs.length === 1) return importer.alias(node, importer.tensor(node, 0));
    if (node.inputs.length !== 2) importer.refuse(node, `it compares ${node.inputs.length} tensors; two are known`);
    const { x, constant } = operands(importer, node);
    if (!constant) return void pushPair(importer, node, op, both(importer, node));
    requireFit(importer, node, x, constant.dims);
    const bound = constant.data.length === 1 ? constant.data[0]! : undefined;
    const step: ElementStep =
      bound === undefined
        ? { op, operands: [0, constant], attributes: {} }
        : { op: "Clip", operands: [0], attributes: op === "Max" ? { min: bound } : { max: bound } };
    importer.push(node, "activation", [x], [importer.shape(x)], { steps: [step] });
  };
export const Max = extreme("Max");
export const Min = extreme("Min");

export const Neg: OperatorImport = (importer: Importer, node: Node) =>
  pushScale(importer, node, importer.tensor(node, 0), { factor: { dims: [], data: Float32Array.of(-1) } });
export const Pow: OperatorImport = (importer: Importer, node: Node) => {
  const { x, constant, constantFirst } = operands(importer, node);
  if (!constant || constantFirst || constant.data.length !== 1)
    importer.refuse(node, "its exponent is not one constant");
  importer.push(node, "activation", [x], [importer.shape(x)], {
    steps: [{ op: "Pow", operands: [0, constant], attributes: {} }],
  });
};
