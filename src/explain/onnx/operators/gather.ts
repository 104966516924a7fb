import { expansion } from "../../network/expansion.js";
import type { GatherLayer, LayerOf, TensorId } from "../../network/network.js";
import { BATCH } from "../batch.js";
import { axisIn, type Importer, type Node, type OperatorImport } from "../importer.js";
import type { Constant } from "../tensor.js";
import { FIRST, networkAxes, networkDims, type Place, shownDims, type View } from "../view.js";

/** Elements along one axis beyond which copies come from a damaged file; the batch's marker is more. */
export const MAX_AXIS_LENGTH = 1_000_000;
/** Of numbers of a list, which are held as 8 bytes each, in elements of 4. */
const ELEMENTS_PER_INDEX = 2;

/** Copies the named elements along one axis of the network, in the cheapest way; the node's output is the result. */
export function pick(
  importer: Importer,
  node: Node,
  { id, place }: Pick<View, "id" | "place">,
  axis: number,
  indices: readonly number[],
): TensorId {
  const shape = importer.shape(id);
  const extent = shape[axis]!;
  const wrong = indices.find((k) => !(Number.isInteger(k) && k >= 0 && k < extent));
  if (wrong !== undefined) importer.refuse(node, `it takes element ${wrong} of an axis of ${extent}`);
  const dims = [shape.with(axis, indices.length)];
  const [first = 0] = indices;
  if (indices.every((from, k) => from === first + k)) {
    if (indices.length === extent) {
      importer.alias(node, id, place);
      return id;
    }
    const range = { axes: [axis], starts: [first], ends: [first + indices.length] };
    return importer.push(node, "slice", [id], dims, range, place)[0]!;
  }
  importer.budget.take(importer, node, ELEMENTS_PER_INDEX * indices.length);
  return importer.push(node, "gather", [id], dims, { axis, indices: [...indices] }, place)[0]!;
}

/** The tensor with as many axes as `rank`, new ones of length 1 first. */
export function ofRank(importer: Importer, node: Node, view: View, rank: number): View {
  const more = rank - view.dims.length;
  if (more === 0) return view;
  const dims = [...new Array<number>(more).fill(1), ...view.dims];
  const place = { ...view.place, axis: view.place.axis + more };
  const [id] = importer.push(node, "reshape", [view.id], [networkDims(dims, place)], {}, place) as [TensorId];
  return { id, dims, place };
}

/** Copies a tensor along the axes that it lacks, so that it has the given dims. */
export function expandTo(
  importer: Importer,
  node: Node,
  x: TensorId,
  dims: readonly number[],
  place: Place = FIRST,
): TensorId {
  let at = x;
  for (const { fields, dims: output } of expansion(importer.shape(x), dims)) {
    if (fields.kind === "reshape") at = importer.push(node, "reshape", [at], [output], {}, place)[0]!;
    else {
      const { kind: _, ...gather } = fields as Pick<GatherLayer, "kind" | "axis" | "indices">;
      importer.budget.take(importer, node, ELEMENTS_PER_INDEX * gather.indices.length);
      at = importer.push(node, "gather", [at], [output], gather as Omit<LayerOf<"gather">, keyof object>, place)[0]!;
    }
  }
  return at;
}

export const Gather: OperatorImport = (importer: Importer, node: Node) => {
  const view = importer.view(node, 0);
  const { dims, place } = view;
  const axis = axisIn(importer, node, node.int("axis", 0), dims.length);
  const indices = importer.weight(node, 1, "list of indices");
  if (axis === place.axis) return gatherFrames(importer, node, view, indices);
  if (indices.batched)
    importer.refuse(node, "it picks other elements for each frame, from the elements of every frame");
  if (indices.data.length > MAX_AXIS_LENGTH)
    importer.refuse(node, `it picks ${indices.data.length} elements of an axis`);
  const picked = Array.from(indices.data, (k) => (k < 0 ? k + dims[axis]! : k));
  const at = pick(importer, node, view, networkAxes(view, axis)[0]!, picked);
  if (indices.dims.length === 1) return;
  const left = [...dims.slice(0, axis), ...indices.dims, ...dims.slice(axis + 1)];
  const moved = axis < place.axis ? { ...place, axis: place.axis + indices.dims.length - 1 } : place;
  importer.push(node, "reshape", [at], [networkDims(left, moved)], {}, moved);
};

/** Of each frame its own elements, by places that count frames: `n · length + k`, n the frame. */
function gatherFrames(importer: Importer, node: Node, view: View, indices: Constant): void {
  const { dims, place } = view;
  const length = dims[place.axis]!;
  if (place.outer !== 1 || indices.step !== length) importer.refuse(node, "it picks frames of the batch");
  const shape = importer.shape(view.id);
  const along = 1 + place.axis;
  const apart =
    length === 1 ? importer.push(node, "reshape", [view.id], [shape.toSpliced(along, 0, 1)], {})[0]! : view.id;
  const picked = pick(importer, node, { id: apart, place: FIRST }, along, Array.from(indices.data));
  const left = [...dims.slice(0, place.axis), ...indices.dims, ...dims.slice(place.axis + 1)];
  const alone = { axis: place.axis, outer: 1, inner: 1 };
  importer.push(node, "reshape", [picked], [networkDims(left, alone)], {}, alone);
}

export const Tile: OperatorImport = (importer: Importer, node: Node) => {
  const view = importer.view(node, 0);
  const { dims, place } = view;
  const repeats = Array.from(importer.weight(node, 1, "list of repeats").data);
  if (repeats.length !== dims.length || repeats.some((r) => !(Number.isInteger(r) && r >= 1)))
    importer.refuse(node, `its repeats [${repeats.join(", ")}] do not fit a tensor of ${dims.length} axes`);
  if (repeats[place.axis] !== 1) importer.refuse(node, "it repeats the frames of the batch");
  importer.alias(node, view.id, place);
  let at = view.id;
  repeats.forEach((times, axis) => {
    const extent = dims[axis]!;
    if (times * extent > MAX_AXIS_LENGTH) importer.refuse(node, `it repeats an axis ${times} times`);
    const copies = Array.from({ length: times === 1 ? 0 : times * extent }, (_, k) => k % extent);
    if (times > 1) at = pick(importer, node, { id: at, place }, networkAxes(view, axis)[0]!, copies);
  });
};

export const Expand: OperatorImport = (importer: Importer, node: Node) => {
  const asked = Array.from(importer.weight(node, 1, "shape").data);
  const given = importer.view(node, 0);
  const rank = Math.max(given.dims.length, asked.length);
  const view = ofRank(importer, node, given, rank);
  const { dims, place } = view;
  const wanted = [...new Array<number>(rank - asked.length).fill(1), ...asked];
  const batch = wanted[place.axis]!;
  if (batch !== 1 && batch !== dims[place.axis] && batch !== BATCH * dims[place.axis]!)
    importer.refuse(node, "it copies frames along the batch");
  const to = dims.map((d, k) => (k === place.axis || d !== 1 ? d : wanted[k]!));
  if (
    to.some((d) => !(d >= 1 && d <= MAX_AXIS_LENGTH)) ||
    to.some((d, k) => k !== place.axis && wanted[k] !== 1 && wanted[k] !== d)
  )
    importer.refuse(node, `its shape [${asked.join(", ")}] does not fit ${shownDims(given)}`);
  importer.alias(node, view.id, place);
  expandTo(importer, node, view.id, networkDims(to, place), place);
};
