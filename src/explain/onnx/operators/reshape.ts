import { elements } from "../../network/network.js";
import { BATCH } from "../batch.js";
import { axisIn, axisOf, type Importer, type Node, type OperatorImport } from "../importer.js";
import { isFirst, markedDims, networkDims, type Place, placeAfterReshape, shownDims, transposed } from "../view.js";

/** Pushes a change of shape to dims of the file (for one frame), after which the batch stands at `place`. */
function pushReshape(importer: Importer, node: Node, dims: readonly number[], place: Place): void {
  const { id } = importer.view(node, 0);
  const before = importer.shape(id);
  const shape = networkDims(dims, place);
  if (shape.length === before.length && shape.every((d, k) => d === before[k])) importer.alias(node, id, place);
  else importer.push(node, "reshape", [id], [shape], {}, place);
}

/**
 * Changes the shape to `target`, in which the batch may be a multiple of its marker, and one dim may be −1 for what is left.
 */
function reshapeTo(importer: Importer, node: Node, target: readonly number[]): void {
  const view = importer.view(node, 0);
  const total = elements(view.dims);
  const marked = target.flatMap((d, k) => (d > 0 && d % BATCH === 0 ? [k] : []));
  const open = target.flatMap((d, k) => (d === -1 ? [k] : []));
  const wanted = `it reshapes ${shownDims(view)} to [${target.join(", ")}]`;
  if (marked.length > 1 || open.length > 1) importer.refuse(node, `${wanted}, which mixes the batch with other axes`);
  const dims = target.map((d) => (d > 0 && d % BATCH === 0 ? d / BATCH : d));
  const [hole] = open;
  if (hole !== undefined) dims[hole] = total / elements(dims.with(hole, 1));
  const [first] = target;
  if (elements(dims) !== total && first !== undefined && first > 1 && elements(dims) === first * total)
    importer.refuse(node, `its target shape [${target.join(", ")}] fixes the batch to ${first} frames`);
  const whole = elements(dims) === total && dims.every((d) => Number.isInteger(d) && d > 0);
  const place = whole ? placeAfterReshape(view, dims, marked[0], hole) : undefined;
  if (!place) importer.refuse(node, `${wanted}, which mixes the batch with other axes`);
  pushReshape(importer, node, dims, place);
}

export const Reshape: OperatorImport = (importer: Importer, node: Node) => {
  const raw = importer.constant(node, 1)?.data ?? node.ints("shape");
  if (!raw) importer.refuse(node, "its target shape is computed while the model runs");
  const given = markedDims(importer.view(node, 0));
  const copies = node.int("allowzero", 0) === 0;
  reshapeTo(
    importer,
    node,
    Array.from(raw, (d, k) => (d === 0 && copies ? (given[k] ?? 0) : d)),
  );
};

export const Flatten: OperatorImport = (importer: Importer, node: Node) => {
  const dims = markedDims(importer.view(node, 0));
  const axis = axisOf(node.int("axis", 1), dims.length);
  reshapeTo(importer, node, [elements(dims.slice(0, axis)), elements(dims.slice(axis))]);
};

export const Squeeze: OperatorImport = (importer: Importer, node: Node) => {
  const view = importer.view(node, 0);
  const given = importer.constant(node, 1)?.data ?? node.ints("axes");
  const axes = given
    ? Array.from(given, (a) => axisIn(importer, node, a, view.dims.length))
    : view.dims.flatMap((d, k) => (d === 1 && k !== view.place.axis ? [k] : []));
  const long = axes.find((k) => view.dims[k] !== 1);
  if (long !== undefined)
    importer.refuse(node, `it leaves out axis ${long} of ${shownDims(view)}, which is longer than 1`);
  reshapeTo(
    importer,
    node,
    markedDims(view).filter((_, k) => !axes.includes(k)),
  );
};

export const Unsqueeze: OperatorImport = (importer: Importer, node: Node) => {
  const dims = markedDims(importer.view(node, 0));
  const given = Array.from(importer.constant(node, 1)?.data ?? node.ints("axes") ?? []);
  const rank = dims.length + given.length;
  const at = new Set(given.map((a) => axisIn(importer, node, a, rank)));
  reshapeTo(
    importer,
    node,
    Array.from({ length: rank }, (_, k) => (at.has(k) ? 1 : (dims.shift() ?? 1))),
  );
};

export const Transpose: OperatorImport = (importer: Importer, node: Node) => {
  const view = importer.view(node, 0);
  const { length } = view.dims;
  const given = node.ints("perm") ?? view.dims.map((_, k) => length - 1 - k);
  if (given.toSorted((a, b) => a - b).some((p, k) => p !== k) || given.length !== length)
    importer.refuse(node, `its permutation [${given.join(", ")}] does not fit a tensor of ${length} axes`);
  const { permutation, place } = transposed(view, given);
  const shape = importer.shape(view.id);
  if (permutation.every((p, k) => p === k) && !isFirst(place)) return importer.alias(node, view.id, place);
  importer.push(node, "transpose", [view.id], [permutation.map((p) => shape[p]!)], { permutation }, place);
};
