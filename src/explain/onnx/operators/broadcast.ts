import type { TensorId, Weights } from "../../network/network.js";
import { broadcastDims } from "../arrays.js";
import { float32, type Importer, type Node } from "../importer.js";
import type { Constant } from "../tensor.js";
import { networkDims, type Place, shownDims, type View } from "../view.js";
import { expandTo, ofRank } from "./gather.js";

/**
 * A constant as it broadcasts against the network's tensor, the batch left out; undefined where it differs between frames.
 * It has no more axes than the tensor.
 */
function perFrame({ dims, place }: View, constant: Constant): Weights | undefined {
  const data = float32(constant);
  if (data.length === 1) return { dims: [], data };
  const own = [...new Array<number>(dims.length - constant.dims.length).fill(1), ...constant.dims];
  const batch = own[place.axis]!;
  if (batch !== 1 && batch !== dims[place.axis]) return undefined;
  const held = batch === 1 ? { ...place, outer: 1, inner: 1 } : place;
  const parts = networkDims(own, held).slice(1);
  const missing = networkDims(dims, place).length - 1 - parts.length;
  const whole = [...parts.slice(0, place.axis), ...new Array<number>(missing).fill(1), ...parts.slice(place.axis)];
  // Leading axes of length 1 say nothing.
  const first = whole.findIndex((d) => d !== 1);
  return { dims: whole.slice(first), data };
}

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

/** A tensor and what a constant operand is to it; the tensor has gained the axes that only the constant had. */
export function withConstant(
  importer: Importer,
  node: Node,
  given: View,
  raw: Constant,
): { view: View; constant: Weights } {
  const longer = raw.data.length === 1 ? given.dims.length : Math.max(given.dims.length, raw.dims.length);
  const view = ofRank(importer, node, given, longer);
  const constant = perFrame(view, raw);
  if (!constant) importer.refuse(node, `its constant [${raw.dims.join(", ")}] differs between the frames of a batch`);
  return { view, constant };
}

/** Pushes a scale and shift; where the constant is larger along some axes, the tensor is copied along them first. */
export function pushScale(
  importer: Importer,
  node: Node,
  { id, place }: Pick<View, "id" | "place">,
  fields: { factor?: Weights; shift?: Weights },
): TensorId {
  let at = id;
  for (const constant of [fields.factor, fields.shift]) {
    if (!constant) continue;
    const shape = importer.shape(at);
    const dims = broadcastDims(shape.slice(1), constant.dims);
    if (dims?.length === shape.length - 1) at = expandTo(importer, node, at, [-1, ...dims], place);
    requireFit(importer, node, at, constant.dims);
  }
  return importer.push(node, "scale", [at], [importer.shape(at)], fields, place)[0]!;
}

/** Tensors as they meet: with as many axes each, the batch in one place, and the dims that they broadcast to. */
export interface Together {
  ids: TensorId[];
  dims: number[];
  place: Place;
}

/**
 * Brings tensors to the axes that they meet on.
 * @param own last axes that need not fit, as the rows and columns of matrices
 * @throws ModelError where they do not fit each other
 */
export function together(importer: Importer, node: Node, views: readonly View[], own = 0): Together {
  const rank = Math.max(...views.map(({ dims }) => dims.length));
  const misfit = (): never =>
    importer.refuse(node, `its inputs have dims that do not fit each other (${views.map(shownDims).join(" and ")})`);
  // Before broadcasting adds axes to one, the batch would have to be in two places at once.
  if (views.some((v) => v.place.axis + rank - v.dims.length !== views[0]!.place.axis + rank - views[0]!.dims.length))
    misfit();
  const alike = views.map((view) => ofRank(importer, node, view, rank));
  const { place } = alike.find((v) => v.place.outer * v.place.inner > 1) ?? alike[0]!;
  const same = alike.every((v) => v.place.outer === place.outer && v.place.inner === place.inner);
  if (!same) misfit();
  const shapes = alike.map(({ id }) => importer.shape(id).slice(1));
  const dims = shapes
    .map((shape) => shape.slice(0, shape.length - own))
    .reduce<number[] | undefined>((a, b) => a && broadcastDims(a, b), []);
  if (!dims) return misfit();
  return { ids: alike.map(({ id }) => id), dims: [-1, ...dims], place };
}
