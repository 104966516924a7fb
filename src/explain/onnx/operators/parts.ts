import { elements, type TensorId } from "../../network/network.js";
import { places } from "../arrays.js";
import { BATCH } from "../batch.js";
import { axisIn, float32, type Importer, type Node, type OperatorImport } from "../importer.js";
import type { Constant } from "../tensor.js";
import { fileDims, networkAxes, type View } from "../view.js";
import { pick } from "./gather.js";

/** The axis of the network's tensor that a node works along; the batch's is refused. */
export function networkAxis(importer: Importer, node: Node, view: View, axis: number, doing: string): number {
  if (axis === view.place.axis) importer.refuse(node, doing);
  return networkAxes(view, axis)[0]!;
}

type Part = TensorId | Constant;

/** Parts that are constants, such as class tokens, join as padding of a neighbour, to which they are then added. */
export const Concat: OperatorImport = (importer: Importer, node: Node) => {
  const first = importer.view(
    node,
    node.inputs.findIndex((_, k) => importer.isTensor(node, k)),
  );
  const axis = axisIn(importer, node, node.int("axis", 1), first.dims.length);
  const along = networkAxis(importer, node, first, axis, "it joins frames along the batch");
  const parts = node.inputs.map((_, k): Part => importer.constant(node, k) ?? partIn(importer, node, k, first));
  const dimsOf = (part: Part) => (typeof part === "number" ? fileDims(importer.shape(part), first.place) : part.dims);
  const differs = (dims: readonly number[]) =>
    dims.length !== first.dims.length || dims.some((d, k) => k !== axis && d !== first.dims[k]);
  if (parts.some((part) => differs(dimsOf(part)))) importer.refuse(node, "it joins tensors that do not fit each other");
  const lengths = parts.map((part) => dimsOf(part)[axis]!);
  const { place } = first;
  const shape = importer.shape(first.id);
  const dims = shape.with(
    along,
    lengths.reduce((a, b) => a + b, 0),
  );
  const padded = withRoom(parts, lengths).map(({ id, before, after }) => {
    if (before + after === 0) return id;
    const none = shape.map(() => 0);
    const own = importer.shape(id);
    const room = [own.with(along, own[along]! + before + after)];
    const fields = { before: none.with(along, before), after: none.with(along, after), value: 0 };
    return importer.push(node, "pad", [id], room, fields, place)[0]!;
  });
  const [joined] = padded.length === 1 ? padded : importer.push(node, "concat", padded, [dims], { axis: along }, place);
  if (parts.every((part) => typeof part === "number")) return;
  // Constants of zero are padding and no more.
  if (padded.some((id) => !parts.includes(id)) && parts.every((part) => typeof part === "number" || isZero(part)))
    return;
  importer.budget.take(importer, node, elements(dims));
  const shift = { dims: dims.slice(1), data: constantsAlong(parts, lengths, dims, along) };
  importer.push(node, "scale", [joined!], [dims], { shift }, place);
};

const isZero = ({ data }: Constant): boolean => data.every((v) => v === 0);

function partIn(importer: Importer, node: Node, index: number, first: View): TensorId {
  const { id, place } = importer.view(node, index);
  if (place.axis !== first.place.axis || place.outer !== first.place.outer || place.inner !== first.place.inner)
    importer.refuse(node, "it joins tensors that do not fit each other: the batch stands on different axes");
  return id;
}

/** The tensors among the parts, each with how much room to leave before and behind it for constants. */
function withRoom(parts: readonly Part[], lengths: readonly number[]) {
  const padded: { id: TensorId; before: number; after: number }[] = [];
  let before = 0;
  parts.forEach((part, k) => {
    const last = padded.at(-1);
    if (typeof part === "number") padded.push({ id: part, before: last ? 0 : before, after: 0 });
    else if (last) last.after += lengths[k]!;
    else before += lengths[k]!;
  });
  return padded;
}

/** The constants among the parts with zeros where the tensors stand, for one frame. */
function constantsAlong(parts: readonly Part[], lengths: readonly number[], dims: readonly number[], along: number) {
  const data = new Float32Array(elements(dims));
  const [outer, inner] = [elements(dims.slice(1, along)), elements(dims.slice(along + 1))];
  let begin = 0;
  parts.forEach((part, k) => {
    const block = lengths[k]! * inner;
    if (typeof part !== "number")
      for (let o = 0; o < outer; o++)
        data.set(float32(part).subarray(o * block, (o + 1) * block), (o * dims[along]! + begin) * inner);
    begin += lengths[k]!;
  });
  return data;
}

export const Split: OperatorImport = (importer: Importer, node: Node) => {
  const view = importer.view(node, 0);
  const axis = axisIn(importer, node, node.int("axis", 0), view.dims.length);
  const along = networkAxis(importer, node, view, axis, "it splits the batch");
  const length = view.dims[axis]!;
  const count = node.outputs.length;
  const even = Math.ceil(length / count);
  const given = node.inputs[1] ? importer.weight(node, 1, "list of sizes").data : node.ints("split");
  const sizes = given ? Array.from(given) : Array.from({ length: count }, (_, k) => Math.min(even, length - k * even));
  if (sizes.length !== count || sizes.reduce((a, b) => a + b, 0) !== length)
    importer.refuse(node, `its ${count} parts of ${sizes.join(", ")} do not make up an axis of ${length}`);
  const shape = importer.shape(view.id);
  const shapes = sizes.map((s) => shape.with(along, s));
  importer.push(node, "split", [view.id], shapes, { axis: along, sizes }, view.place);
};

export const Slice: OperatorImport = (importer: Importer, node: Node) => {
  const view = importer.view(node, 0);
  const { dims, place } = view;
  const list = (index: number, name: string) => {
    const values = importer.constant(node, index)?.data ?? node.ints(name);
    if (!values && node.inputs[index])
      importer.refuse(node, `its ${name} are computed while the model runs, and only constants can be explained`);
    return values && Array.from(values);
  };
  const starts = list(1, "starts") ?? importer.refuse(node, "its starts are not given");
  const ends = list(2, "ends") ?? importer.refuse(node, "its ends are not given");
  const axes = (list(3, "axes") ?? starts.map((_, k) => k)).map((a) => axisIn(importer, node, a, dims.length));
  const steps = list(4, "steps") ?? starts.map(() => 1);
  const whole = [starts, ends, steps].every((l) => l.every(Number.isInteger));
  if ([ends, axes, steps].some((l) => l.length !== starts.length) || steps.includes(0) || !whole)
    importer.refuse(node, `its ${starts.length} starts do not fit its ends, axes and steps`);
  if (new Set(axes).size !== axes.length) importer.refuse(node, "it cuts an axis twice");
  const isWholeBatch = (k: number) =>
    axes[k] === place.axis && starts[k] === 0 && ends[k]! >= BATCH * dims[place.axis]! && steps[k] === 1;
  const kept = axes.map((_, k) => k).filter((k) => !isWholeBatch(k));
  importer.alias(node, view.id, place);
  const along = new Map(kept.map((k) => [k, networkAxis(importer, node, view, axes[k]!, "it slices the batch")]));
  const plain = kept.filter((k) => steps[k] === 1);
  const shape = importer.shape(view.id);
  let at = view.id;
  if (plain.length > 0) {
    const clamp = (v: number, d: number) => Math.min(Math.max(v < 0 ? v + d : v, 0), d);
    const from = plain.map((k) => clamp(starts[k]!, dims[axes[k]!]!));
    const to = plain.map((k) => clamp(ends[k]!, dims[axes[k]!]!));
    const cut = plain.map((k) => along.get(k)!);
    const left = shape.map((d, k) => (cut.includes(k) ? to[cut.indexOf(k)]! - from[cut.indexOf(k)]! : d));
    if (left.some((d, k) => d !== shape[k]))
      [at] = importer.push(node, "slice", [view.id], [left], { axes: cut, starts: from, ends: to }, place) as [number];
  }
  for (const k of kept)
    if (steps[k] !== 1)
      at = pick(
        importer,
        node,
        importer.viewOf(at, place),
        along.get(k)!,
        places(starts[k]!, ends[k]!, steps[k]!, dims[axes[k]!]!),
      );
};
