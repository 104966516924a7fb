import { elements } from "../../network/network.js";
import { ElementType } from "../../proto/onnx.js";
import { places } from "../arrays.js";
import { oneFrame } from "../fold.js";
import { axisIn, axisOf, BATCH, type Importer, type Node, type OperatorImport } from "../importer.js";
import { size } from "../tensor.js";
import { pick } from "./gather.js";

/** Pushes a change of shape that keeps the batch first; `target` may hold one −2 for "the rest". */
function reshapeTo(importer: Importer, node: Node, target: number[]): void {
  const x = importer.tensor(node, 0);
  const shape = importer.shape(x);
  const total = elements(shape);
  const rest = target.slice(1);
  const hole = rest.indexOf(-2);
  if (hole >= 0) rest[hole] = total / rest.reduce((a, b, k) => (k === hole ? a : a * b), 1);
  if (elements(rest) !== total || rest.some((d) => !Number.isInteger(d) || d <= 0))
    importer.refuse(
      node,
      `it reshapes [N, ${shape.slice(1).join(", ")}] to [${target.join(", ")}], which mixes the batch with other axes`,
    );
  const dims = [-1, ...rest];
  if (dims.length === shape.length && dims.every((d, k) => d === shape[k])) importer.alias(node, x);
  else importer.push(node, "reshape", [x], [dims], {});
}

export const Reshape: OperatorImport = (importer: Importer, node: Node) => {
  const raw = importer.constant(node, 1)?.data ?? node.ints("shape");
  if (!raw) importer.refuse(node, "its target shape is computed while the model runs");
  const shape = importer.shape(importer.tensor(node, 0));
  if (Array.from(raw).some((d) => d !== BATCH && d > 0 && d % BATCH === 0))
    importer.refuse(node, `it folds the batch into other axes (target [${Array.from(raw).join(", ")}])`);
  const target = Array.from(raw, (d, k) =>
    d === 0 && node.int("allowzero", 0) === 0 ? (k === 0 ? BATCH : shape[k]!) : d === -1 ? -2 : d,
  );
  // The first axis is the batch when the file says so, leaves it open, or was exported for one frame.
  const first = target[0];
  if (first === BATCH || first === 1) target[0] = -1;
  else if (first === -2) {
    const rest = target.slice(1);
    if (rest.includes(-2) || elements(rest) !== elements(shape))
      importer.refuse(node, `it folds the batch into other axes (target [${Array.from(raw).join(", ")}])`);
    target[0] = -1;
  } else if (target.includes(-2) || first === undefined)
    importer.refuse(node, `it moves the batch from the first axis (target [${Array.from(raw).join(", ")}])`);
  else importer.refuse(node, `its target shape [${Array.from(raw).join(", ")}] fixes the batch to ${first} frames`);
  reshapeTo(importer, node, target);
};

export const Flatten: OperatorImport = (importer: Importer, node: Node) => {
  const shape = importer.shape(importer.tensor(node, 0));
  const axis = axisOf(node.int("axis", 1), shape.length);
  if (axis !== 1) importer.refuse(node, `it flattens from axis ${axis}, which mixes the batch with other axes`);
  reshapeTo(importer, node, [-1, elements(shape)]);
};

export const Squeeze: OperatorImport = (importer: Importer, node: Node) => {
  const shape = importer.shape(importer.tensor(node, 0));
  const given = importer.constant(node, 1)?.data ?? node.ints("axes");
  const axes = given
    ? Array.from(given, (a) => axisOf(a, shape.length))
    : shape.flatMap((d, k) => (d === 1 && k > 0 ? [k] : []));
  reshapeTo(
    importer,
    node,
    shape.filter((_, k) => !axes.includes(k)),
  );
};

export const Unsqueeze: OperatorImport = (importer: Importer, node: Node) => {
  const shape = [...importer.shape(importer.tensor(node, 0))];
  const given = Array.from(importer.constant(node, 1)?.data ?? node.ints("axes") ?? []);
  const rank = shape.length + given.length;
  const at = new Set(given.map((a) => axisOf(a, rank)));
  reshapeTo(
    importer,
    node,
    Array.from({ length: rank }, (_, k) => (at.has(k) ? 1 : shape.shift()!)),
  );
};

export const Transpose: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const shape = importer.shape(x);
  const permutation = node.ints("perm") ?? shape.map((_, k) => shape.length - 1 - k);
  if (permutation.toSorted((a, b) => a - b).some((p, k) => p !== k) || permutation.length !== shape.length)
    importer.refuse(node, `its permutation [${permutation.join(", ")}] does not fit a tensor of ${shape.length} axes`);
  if (permutation[0] !== 0) importer.refuse(node, "it moves the batch from the first axis");
  importer.push(node, "transpose", [x], [permutation.map((p) => shape[p]!)], { permutation });
};

export const Concat: OperatorImport = (importer: Importer, node: Node) => {
  const ids = node.inputs.map((_, k) => importer.tensor(node, k));
  const first = importer.shape(ids[0]!);
  const axis = axisIn(importer, node, node.int("axis", 1), first.length);
  if (axis === 0) importer.refuse(node, "it joins frames along the batch");
  const differs = (dims: readonly number[]) =>
    dims.length !== first.length || dims.some((d, k) => k !== axis && d !== first[k]);
  if (ids.some((id) => differs(importer.shape(id))))
    importer.refuse(node, "it joins tensors that do not fit each other");
  const dims = [...first];
  dims[axis] = ids.reduce((sum, id) => sum + importer.shape(id)[axis]!, 0);
  importer.push(node, "concat", ids, [dims], { axis });
};

export const Split: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const shape = importer.shape(x);
  const axis = axisIn(importer, node, node.int("axis", 0), shape.length);
  if (axis === 0) importer.refuse(node, "it splits the batch");
  const count = node.outputs.length;
  const even = Math.ceil(shape[axis]! / count);
  const given = importer.constant(node, 1)?.data ?? node.ints("split");
  const sizes = given
    ? Array.from(given)
    : Array.from({ length: count }, (_, k) => Math.min(even, shape[axis]! - k * even));
  if (sizes.length !== count || sizes.reduce((a, b) => a + b, 0) !== shape[axis])
    importer.refuse(node, `its ${count} parts of ${sizes.join(", ")} do not make up an axis of ${shape[axis]}`);
  importer.push(
    node,
    "split",
    [x],
    sizes.map((s) => shape.map((d, k) => (k === axis ? s : d))),
    { axis, sizes },
  );
};

export const Slice: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const shape = importer.shape(x);
  const list = (index: number, name: string) => {
    const values = importer.constant(node, index)?.data ?? node.ints(name);
    return values && Array.from(values);
  };
  const starts = list(1, "starts");
  const ends = list(2, "ends");
  if (!starts || !ends) importer.refuse(node, "its bounds are computed while the model runs");
  const axes = (list(3, "axes") ?? starts.map((_, k) => k)).map((a) => axisIn(importer, node, a, shape.length));
  const steps = list(4, "steps") ?? starts.map(() => 1);
  const whole = [starts, ends, steps].every((l) => l.every(Number.isInteger));
  if ([ends, axes, steps].some((l) => l.length !== starts.length) || steps.includes(0) || !whole)
    importer.refuse(node, `its ${starts.length} starts do not fit its ends, axes and steps`);
  if (new Set(axes).size !== axes.length) importer.refuse(node, "it cuts an axis twice");
  const kept = axes
    .map((_, k) => k)
    .filter((k) => !(axes[k] === 0 && starts[k] === 0 && ends[k]! >= BATCH && steps[k] === 1));
  if (kept.some((k) => axes[k] === 0)) importer.refuse(node, "it slices the batch");
  importer.alias(node, x);
  const plain = kept.filter((k) => steps[k] === 1);
  let at = x;
  if (plain.length > 0) {
    const clamp = (v: number, d: number) => Math.min(Math.max(v < 0 ? v + d : v, 0), d);
    const from = plain.map((k) => clamp(starts[k]!, shape[axes[k]!]!));
    const to = plain.map((k) => clamp(ends[k]!, shape[axes[k]!]!));
    const cut = plain.map((k) => axes[k]!);
    const dims = shape.map((d, k) => (cut.includes(k) ? to[cut.indexOf(k)]! - from[cut.indexOf(k)]! : d));
    [at] = importer.push(node, "slice", [x], [dims], { axes: cut, starts: from, ends: to }) as [number];
  }
  for (const k of kept)
    if (steps[k] !== 1)
      at = pick(importer, node, at, axes[k]!, places(starts[k]!, ends[k]!, steps[k]!, shape[axes[k]!]!));
};

const FLOATING = new Set<number>([ElementType.float, ElementType.float16, ElementType.double]);
export const Cast: OperatorImport = (importer: Importer, node: Node) => {
  const to = node.int("to", ElementType.float);
  if (!FLOATING.has(to)) importer.refuse(node, `it rounds values to another element type (${to})`);
  passThrough(importer, node);
};

export const passThrough: OperatorImport = (importer: Importer, node: Node) =>
  importer.alias(node, importer.tensor(node, 0));

export const Softmax: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const shape = importer.shape(x);
  const axis = axisIn(importer, node, node.int("axis", importer.opset < 13 ? 1 : -1), shape.length);
  if (axis === 0) importer.refuse(node, "it works across the batch");
  // Before opset 13 every axis from the given one on counted.
  if (importer.opset < 13 && shape.slice(axis + 1).some((d) => d !== 1))
    importer.refuse(node, "it works over several axes at once; export with opset 13 or newer");
  importer.push(node, "softmax", [x], [shape], { axis, ...(node.op === "LogSoftmax" && { log: true }) });
};

/** Dims of a tensor or constant; the batch is held by a marker that no real dimension equals. */
const markedDims = (importer: Importer, node: Node): number[] => {
  const constant = importer.constant(node, 0);
  if (constant) return constant.dims.map((d, k) => (k === 0 && constant.batched ? BATCH : d));
  return importer.shape(importer.tensor(node, 0)).map((d) => (d < 0 ? BATCH : d));
};

export const Shape: OperatorImport = (importer: Importer, node: Node) => {
  const dims = markedDims(importer, node);
  const bound = (name: string, fallback: number): number =>
    Math.min(Math.max(axisOf(node.int(name, fallback), dims.length), 0), dims.length);
  const part = dims.slice(bound("start", 0), bound("end", dims.length));
  importer.setConstant(node, { dims: [part.length], data: Float64Array.from(part), integer: true });
};

/** How many elements; a multiple of the batch's marker. */
export const Size: OperatorImport = (importer: Importer, node: Node) => {
  const count = markedDims(importer, node).reduce((a, b) => a * b, 1);
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
