import { ElementType, typeName } from "../../proto/onnx.js";
import { BATCH } from "../batch.js";
import { oneFrame } from "../fold.js";
import { axisIn, axisOf, type Importer, type Node, type OperatorImport } from "../importer.js";
import { isFloating, size } from "../tensor.js";
import { markedDims } from "../view.js";
import { isUnit } from "../whole.js";
import { holds } from "../whole-numbers.js";
import { pushScale } from "./broadcast.js";
import { networkAxis } from "./parts.js";

/** Between floats it changes the precision alone; whole numbers become floats as they are, not what they are dequantised to. */
export const Cast: OperatorImport = (importer: Importer, node: Node) => {
  const to = node.int("to", ElementType.float);
  const whole = importer.whole.get(node.inputs[0]!);
  if (!isFloating(to) && !(whole && holds(to, whole.type)))
    importer.refuse(node, `it rounds values to another element type (${typeName(to)})`);
  if (whole && isFloating(to) && !isUnit(whole)) {
    const number = (v: number) => ({ dims: [], data: Float32Array.of(v) });
    pushScale(importer, node, importer.view(node, 0), { factor: number(1 / whole.scale), shift: number(whole.zero) });
    return;
  }
  passThrough(importer, node);
  if (whole && !isFloating(to)) importer.whole.set(node.outputs[0]!, { ...whole, type: to });
};

export const passThrough: OperatorImport = (importer: Importer, node: Node) => {
  const { id, place } = importer.view(node, 0);
  importer.alias(node, id, place);
};

export const Softmax: OperatorImport = (importer: Importer, node: Node) => {
  const view = importer.view(node, 0);
  const { id, dims, place } = view;
  const axis = axisIn(importer, node, node.int("axis", importer.opset < 13 ? 1 : -1), dims.length);
  const along = networkAxis(importer, node, view, axis, "it works across the batch");
  // Before opset 13 every axis from the given one on counted.
  if (importer.opset < 13 && dims.some((d, k) => k > axis && (d !== 1 || k === place.axis)))
    importer.refuse(node, "it works over several axes at once; export with opset 13 or newer");
  const log = node.op === "LogSoftmax" && { log: true };
  importer.push(node, "softmax", [id], [importer.shape(id)], { axis: along, ...log }, place);
};

/** Dims of a tensor or constant; the batch is held by a marker that no real dimension equals. */
const dimsOf = (importer: Importer, node: Node): number[] => {
  const constant = importer.constant(node, 0);
  if (constant) return constant.dims.map((d, k) => (k === 0 && constant.batched ? BATCH : d));
  return markedDims(importer.view(node, 0));
};

export const Shape: OperatorImport = (importer: Importer, node: Node) => {
  const dims = dimsOf(importer, node);
  const bound = (name: string, fallback: number): number =>
    Math.min(Math.max(axisOf(node.int(name, fallback), dims.length), 0), dims.length);
  const part = dims.slice(bound("start", 0), bound("end", dims.length));
  importer.setConstant(node, { dims: [part.length], data: Float64Array.from(part), integer: true });
};

/** How many elements; a multiple of the batch's marker. */
export const Size: OperatorImport = (importer: Importer, node: Node) => {
  const count = dimsOf(importer, node).reduce((a, b) => a * b, 1);
  importer.setConstant(node, { dims: [], data: Float64Array.of(count), integer: true });
};

export const ConstantNode: OperatorImport = (importer: Importer, node: Node) => {
  const floats = node.floats("value_floats");
  const ints = node.ints("value_ints");
  const constant =
    node.tensor("value") ??
    (floats?.length ? { dims: [floats.length], data: Float32Array.from(floats), integer: false } : undefined) ??
    (ints?.length ? { dims: [ints.length], data: Float64Array.from(ints), integer: true } : undefined) ??
    (node.has("value_float")
      ? { dims: [], data: Float32Array.of(node.float("value_float", 0)), integer: false }
      : undefined) ??
    (node.has("value_int") ? { dims: [], data: Float64Array.of(node.int("value_int", 0)), integer: true } : undefined);
  if (!constant) importer.refuse(node, "its value is neither numbers nor a tensor");
  importer.setConstant(node, constant);
};

/** Test networks keep all their weights as fillings, which are made without anything computed. */
const FILLED_SHARE = 1 / 4;

export const ConstantOfShape: OperatorImport = (importer: Importer, node: Node) => {
  const shape = Array.from(importer.weight(node, 0, "shape").data);
  const dims = oneFrame(shape);
  if (dims.some((d) => d > 0 && d % BATCH === 0)) importer.refuse(node, "its size follows the batch");
  if (dims.some((d) => !(Number.isInteger(d) && d >= 0)))
    importer.refuse(node, `its shape [${dims.join(", ")}] is none`);
  const value = node.tensor("value") ?? { dims: [], data: Float32Array.of(0), integer: false };
  const count = size(dims);
  const narrow = value.data instanceof Float32Array;
  importer.budget.take(importer, node, count, narrow ? FILLED_SHARE : 2);
  const data = (narrow ? new Float32Array(count) : new Float64Array(count)).fill(value.data[0] ?? 0);
  importer.setConstant(node, { ...value, dims, data, ...(shape[0] === BATCH && { batched: true }) });
};
