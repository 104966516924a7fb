import { ElementType } from "../../proto/onnx.js";
import { dequantised, quantised } from "../../quantisation.js";
import type { Importer, Node, OperatorImport } from "../importer.js";
import { type Constant, isFloating, typeOf } from "../tensor.js";
import { rangeOfType, scalesOf, targetType, wholeOf } from "../whole-numbers.js";
import { pushScale } from "./broadcast.js";
import { passThrough } from "./shape.js";

const scalar = (v: number) => ({ dims: [], data: Float32Array.of(v) });

/** The values are rounded and clipped as their whole numbers are: with a zero point at the least of these it is a ReLU, too. */
export const QuantizeLinear: OperatorImport = (importer: Importer, node: Node) => {
  const type = targetType(importer, node);
  const range = rangeOfType(importer, node, type);
  const constant = importer.constant(node, 0);
  if (constant) {
    importer.budget.take(importer, node, constant.data.length);
    const scales = scalesOf(importer, node, constant.dims);
    const data = quantised(constant.data, constant.dims, scales, range);
    importer.setConstant(node, { dims: constant.dims, data, integer: true, type, batched: constant.batched });
    return;
  }
  const whole = wholeOf(importer, node);
  const { id, place } = importer.view(node, 0);
  const bounds = { low: range.low - whole.zero, high: range.high - whole.zero };
  if (!(bounds.low <= 0 && bounds.high >= 0))
    importer.refuse(node, `its zero point ${whole.zero} is no number of its type`);
  importer.push(node, "rounding", [id], [importer.shape(id)], { scale: whole.scale, ...bounds }, place);
  importer.whole.set(node.outputs[0]!, { ...whole, type });
};

/** The values are there already; by another scale or zero point than they were quantised with they are others. */
export const DequantizeLinear: OperatorImport = (importer: Importer, node: Node) => {
  const constant = importer.constant(node, 0);
  if (constant) {
    importer.setConstant(node, dequantise(importer, node, constant));
    return;
  }
  const name = node.inputs[0]!;
  const own = importer.frameScales.scales.get(node.inputs[1] ?? "");
  if (own && own.of === name && !own.factor) return passThrough(importer, node);
  const before = importer.whole.get(name);
  if (!before) importer.refuse(node, "what it dequantises is not known to be whole numbers");
  const { scale, zero } = wholeOf(importer, node);
  if (scale === before.scale && zero === before.zero) return passThrough(importer, node);
  const shift = scale * (before.zero - zero);
  const view = importer.view(node, 0);
  pushScale(importer, node, view, {
    ...(scale !== before.scale && { factor: scalar(scale / before.scale) }),
    ...(shift !== 0 && { shift: scalar(shift) }),
  });
};

function dequantise(importer: Importer, node: Node, constant: Constant): Constant {
  const { dims, data, batched } = constant;
  const type = typeOf(constant);
  if (isFloating(type)) importer.refuse(node, "what it dequantises is not of whole numbers");
  importer.budget.take(importer, node, data.length);
  // Biases are of int32 wherever weights are quantised.
  if (type !== ElementType.int32) importer.weightTypes.add(type);
  return { dims, data: dequantised(data, dims, scalesOf(importer, node, dims)), integer: false, batched };
}

/** The largest number of float32: nothing is clipped. */
const LARGEST = 3.4028234e38;

/** To whole numbers, as in preprocessing that a file does itself. */
export const Round: OperatorImport = (importer: Importer, node: Node) => {
  const { id, place } = importer.view(node, 0);
  const fields = { scale: 1, low: -LARGEST, high: LARGEST };
  importer.push(node, "rounding", [id], [importer.shape(id)], fields, place);
};

/** Each frame has a scale of its own: what is computed with its whole numbers waits until it is multiplied with that scale. */
export const DynamicQuantizeLinear: OperatorImport = (importer: Importer, node: Node) => {
  const { id, place } = importer.view(node, 0);
  const [whole, scale, zero] = node.outputs as [string, string?, string?];
  importer.push(node, "rounding", [id], [importer.shape(id)], rangeOfType(importer, node, ElementType.uint8), place);
  const { frameScales } = importer;
  frameScales.whole.add(whole);
  if (scale) frameScales.scales.set(scale, { of: whole });
  if (zero) frameScales.zeros.set(zero, whole);
};
