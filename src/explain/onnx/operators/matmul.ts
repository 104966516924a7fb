import { elements, type TensorId, type Weights } from "../../network/network.js";
import { broadcastDims, transposeConstant } from "../arrays.js";
import type { Importer, Node, OperatorImport } from "../importer.js";
import type { Constant } from "../tensor.js";
import { networkAxes, networkDims, shownDims, transposed, type View } from "../view.js";
import { together } from "./broadcast.js";
import { expandTo, ofRank } from "./gather.js";

/** The order of axes with the last two swapped. */
const lastSwapped = ({ length }: readonly number[]): number[] =>
  Array.from({ length }, (_, k) => (k < length - 2 ? k : 2 * length - 3 - k));

/** The view with its last two axes swapped. */
function turned(importer: Importer, node: Node, view: View): View {
  const { permutation, place } = transposed(view, lastSwapped(view.dims));
  const shape = importer.shape(view.id);
  const [id] = importer.push(
    node,
    "transpose",
    [view.id],
    [permutation.map((k) => shape[k]!)],
    { permutation },
    place,
  ) as [TensorId];
  return importer.viewOf(id, place);
}

const misfit = (importer: Importer, node: Node, view: View, weight: readonly number[]): never =>
  importer.refuse(node, `its weight [${weight.join(", ")}] does not fit an input of dims ${shownDims(view)}`);

/** Multiplies the last axis with one matrix, `[in, out]` or `[out, in]`. */
function pushDense(
  importer: Importer,
  node: Node,
  view: View,
  weight: Weights,
  more: { bias?: Float32Array; outFirst?: boolean } = {},
): TensorId {
  const last = view.dims.length - 1;
  const [inputs, out] = (more.outFirst ? weight.dims.toReversed() : weight.dims) as [number, number];
  if (view.place.axis === last || view.dims[last] !== inputs) misfit(importer, node, view, weight.dims);
  const shape = importer.shape(view.id);
  // Only rows are read against a matrix as it stands.
  const isRows = shape.length === 2;
  if (more.outFirst && !isRows) importer.budget.take(importer, node, weight.data.length);
  const plain = more.outFirst && !isRows ? { bias: more.bias } : more;
  const matrix = more.outFirst && !isRows ? swapped(weight) : weight;
  return importer.push(node, "dense", [view.id], [shape.with(-1, out)], { weight: matrix, ...plain }, view.place)[0]!;
}

/** The numbers of a weight, times a number; a copy of them is made from the budget. */
function scaled(importer: Importer, node: Node, { data }: Constant, alpha = 1): Float32Array {
  if (alpha === 1 && data instanceof Float32Array) return data;
  importer.budget.take(importer, node, data.length);
  return Float32Array.from(data, (v) => v * alpha);
}

const swapped = ({ dims, data }: Weights): Weights => {
  const { dims: turned, data: numbers } = transposeConstant({ dims: [...dims], data, integer: false }, [1, 0]);
  return { dims: turned, data: numbers as Float32Array };
};

export const Gemm: OperatorImport = (importer: Importer, node: Node) => {
  const given = importer.view(node, 0);
  const weight = importer.weight(node, 1, "weight");
  const bias = node.inputs[2] ? importer.weight(node, 2, "bias") : undefined;
  if (weight.dims.length !== 2)
    importer.refuse(node, `its weight has dims [${weight.dims.join(", ")}], and a matrix is needed`);
  if (given.dims.length !== 2) misfit(importer, node, given, weight.dims);
  const outFirst = node.int("transB", 0) === 1;
  const out = weight.dims[outFirst ? 0 : 1]!;
  const alpha = node.float("alpha", 1);
  const beta = node.float("beta", 1);
  const view = node.int("transA", 0) ? turned(importer, node, given) : given;
  if (view.place.axis !== 0) importer.refuse(node, "its input is transposed across the batch (transA)");
  if (bias && bias.data.length !== 1 && bias.data.length !== out)
    importer.refuse(node, `its bias has ${bias.data.length} numbers for ${out} outputs`);
  const full = bias && Float32Array.from({ length: out }, (_, k) => beta * bias.data[bias.data.length === 1 ? 0 : k]!);
  pushDense(
    importer,
    node,
    view,
    { dims: weight.dims, data: scaled(importer, node, weight, alpha) },
    { bias: full, ...(outFirst && { outFirst }) },
  );
};

export const MatMul: OperatorImport = (importer: Importer, node: Node) => {
  const [a, b] = [importer.constant(node, 0), importer.constant(node, 1)];
  if (a) fromLeft(importer, node, a, importer.view(node, 1));
  else if (b) fromRight(importer, node, importer.view(node, 0), b);
  else product(importer, node, importer.view(node, 0), importer.view(node, 1));
};

/** `A · x` as `(xᵀ · Aᵀ)ᵀ`. */
function fromLeft(importer: Importer, node: Node, a: Constant, view: View): void {
  if (view.dims.length < 2 || a.dims.length < 2)
    importer.refuse(node, `it multiplies [${a.dims.join(", ")}] with ${shownDims(view)}, and matrices are needed`);
  importer.budget.take(importer, node, a.data.length);
  fromRight(importer, node, turned(importer, node, view), transposeConstant(a, lastSwapped(a.dims)));
  turned(importer, node, importer.made(node));
}

function fromRight(importer: Importer, node: Node, given: View, b: Constant): void {
  const isVector = b.dims.length === 1;
  const dims = isVector ? [b.dims[0]!, 1] : b.dims;
  const view = ofRank(importer, node, given, Math.max(given.dims.length, dims.length));
  if (dims.slice(0, -2).every((d) => d === 1))
    pushDense(importer, node, view, { dims: dims.slice(-2), data: scaled(importer, node, b) });
  else perGroup(importer, node, view, dims, scaled(importer, node, b));
  if (!isVector) return;
  const made = importer.made(node);
  importer.push(node, "reshape", [made.id], [importer.shape(made.id).slice(0, -1)], {}, made.place);
}

/** A matrix of its own for each element of some axes, as for each head: a convolution in so many groups. */
function perGroup(importer: Importer, node: Node, view: View, dims: readonly number[], data: Float32Array): void {
  const rank = view.dims.length;
  const leads = [...new Array<number>(rank - dims.length).fill(1), ...dims.slice(0, -2)];
  const [inputs, out] = dims.slice(-2) as [number, number];
  const { axis } = view.place;
  const common = broadcastDims(view.dims.slice(0, -2), leads);
  if (axis >= rank - 2 || leads[axis] !== 1 || !common || view.dims.at(-1) !== inputs)
    return misfit(importer, node, view, dims);
  const wide = networkDims([...common, ...view.dims.slice(-2)], view.place);
  const id = expandTo(importer, node, view.id, wide, view.place);
  const grouped = leads.flatMap((d, k) => (d === 1 ? [] : networkAxes(view, k)));
  const last = wide.length - 1;
  const others = wide.map((_, k) => k).filter((k) => k > 0 && k < last && !grouped.includes(k));
  const order = [0, ...grouped, last, ...others];
  const groups = elements(grouped.map((k) => wide[k]!));
  const rows = elements(others.map((k) => wide[k]!));
  const turnedDims = order.map((k) => wide[k]!);
  const [apart] = importer.push(node, "transpose", [id], [turnedDims], { permutation: order });
  const [planes] = importer.push(node, "reshape", [apart!], [[-1, groups * inputs, rows, 1]], {});
  importer.budget.take(importer, node, data.length);
  const weight = Float32Array.from(data, (_, at) => {
    const [g, o, i] = [Math.floor(at / (inputs * out)), Math.floor(at / inputs) % out, at % inputs];
    return data[(g * inputs + i) * out + o]!;
  });
  const [made] = importer.push(node, "conv", [planes!], [[-1, groups * out, rows, 1]], {
    weight: { dims: [groups * out, inputs, 1, 1], data: weight },
    groups,
    kernel: [1, 1],
    strides: [1, 1],
    pads: [0, 0, 0, 0],
    dilations: [1, 1],
  });
  const outDims = turnedDims.with(1 + grouped.length, out);
  const [split] = importer.push(node, "reshape", [made!], [outDims], {});
  const back = order.map((_, k) => order.indexOf(k));
  importer.push(node, "transpose", [split!], [back.map((k) => outDims[k]!)], { permutation: back }, view.place);
}

/** `a · b` of two tensors that both depend on the picture. */
function product(importer: Importer, node: Node, a: View, b: View): void {
  const { ids, dims, place } = together(importer, node, [a, b], 2);
  const [left, right] = ids.map((id) => importer.shape(id)) as [readonly number[], readonly number[]];
  const across = place.axis >= Math.max(a.dims.length, b.dims.length) - 2;
  if (across || a.dims.length < 2 || b.dims.length < 2 || left.at(-1) !== right.at(-2))
    importer.refuse(
      node,
      `it multiplies ${shownDims(a)} with ${shownDims(b)}, which do not fit or mix the frames of a batch`,
    );
  importer.push(node, "matrixProduct", ids, [[...dims, left.at(-2)!, right.at(-1)!]], {}, place);
}
