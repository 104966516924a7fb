import type { TensorId } from "../../network/network.js";
import { axisIn, type Importer, type Node, type OperatorImport } from "../importer.js";
import { FIRST, networkAxes, type Place } from "../view.js";
import { MAX_AXIS_LENGTH, pick } from "./gather.js";

/** Which element stands at position `p` of an axis of length `n` that was padded by copies. */
const COPIES: Record<string, (p: number, n: number) => number> = {
  edge: (p, n) => Math.min(Math.max(p, 0), n - 1),
  reflect: (p, n) => {
    const period = Math.max(1, 2 * (n - 1));
    const at = ((p % period) + period) % period;
    return at < n ? at : period - at;
  },
  wrap: (p, n) => ((p % n) + n) % n,
};

export const Pad: OperatorImport = (importer: Importer, node: Node) => {
  const view = importer.view(node, 0);
  const { id: x, dims: given, place } = view;
  const shape = importer.shape(x);
  const mode = node.text("mode", "constant");
  const copy = Object.hasOwn(COPIES, mode) ? COPIES[mode] : undefined;
  if (mode !== "constant" && !copy) importer.refuse(node, `its mode "${mode}" is not known`);
  const pads = importer.constant(node, 1)?.data ?? node.ints("pads") ?? node.ints("paddings");
  if (!pads) importer.refuse(node, "its padding is computed while the model runs");
  const value = node.inputs[2] ? importer.weight(node, 2, "value").data[0]! : node.float("value", 0);
  const axesGiven = importer.constant(node, 3)?.data;
  const axes = axesGiven
    ? Array.from(axesGiven, (a) => axisIn(importer, node, a, given.length))
    : given.map((_, k) => k);
  if (pads.length !== 2 * axes.length)
    importer.refuse(node, `its padding has ${pads.length} numbers, and ${2 * axes.length} are needed`);
  const before = shape.map(() => 0);
  const after = shape.map(() => 0);
  axes.forEach((axis, k) => {
    if (axis === place.axis && (pads[k] || pads[k + axes.length])) importer.refuse(node, "it pads the batch");
    if (axis === place.axis) return;
    const [along] = networkAxes(view, axis) as [number];
    before[along] = pads[k]!;
    after[along] = pads[k + axes.length]!;
  });
  if ([...before, ...after].some((p) => !(Math.abs(p) <= MAX_AXIS_LENGTH)))
    importer.refuse(node, `its padding [${Array.from(pads).join(", ")}] is too large`);
  importer.alias(node, x, place);
  const at = cropped(importer, node, x, before, after, place);
  const [more, rest] = [before, after].map((side) => side.map((p) => Math.max(0, p))) as [number[], number[]];
  if (copy) {
    let current = at;
    importer.shape(at).forEach((n, axis) => {
      if (axis === 0 || more[axis]! + rest[axis]! === 0) return;
      const places = Array.from({ length: more[axis]! + n + rest[axis]! }, (_, p) => copy(p - more[axis]!, n));
      current = pick(importer, node, { id: current, place }, axis, places);
    });
    return;
  }
  if ([...more, ...rest].every((p) => p === 0) && at !== x) return;
  const dims = importer.shape(at).map((d, k) => (k === 0 ? d : d + more[k]! + rest[k]!));
  importer.push(node, "pad", [at], [dims], { before: more, after: rest, value }, place);
};

/** Cuts off where the padding before or after an axis is negative. */
export function cropped(
  importer: Importer,
  node: Node,
  x: TensorId,
  before: readonly number[],
  after: readonly number[],
  place: Place = FIRST,
): TensorId {
  const shape = importer.shape(x);
  const axes = shape.map((_, k) => k).filter((k) => before[k]! < 0 || after[k]! < 0);
  if (axes.length === 0) return x;
  const starts = axes.map((k) => Math.max(0, -before[k]!));
  const ends = axes.map((k) => shape[k]! + Math.min(0, after[k]!));
  const dims = shape.map((d, k) => (axes.includes(k) ? ends[axes.indexOf(k)]! - starts[axes.indexOf(k)]! : d));
  return importer.push(node, "slice", [x], [dims], { axes, starts, ends }, place)[0]!;
}
