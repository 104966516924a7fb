import { expansion } from "../../network/expansion.js";
import type { GatherLayer, LayerOf, TensorId } from "../../network/network.js";
import { axisIn, BATCH, type Importer, type Node, type OperatorImport } from "../importer.js";

/** Elements along one axis beyond which copies come from a damaged file. */
export const MAX_AXIS_LENGTH = 2 ** 20;

/** Copies the named elements along one axis, in the cheapest way; the node's output is the result. */
export function pick(importer: Importer, node: Node, x: TensorId, axis: number, indices: readonly number[]): TensorId {
  const shape = importer.shape(x);
  const extent = shape[axis]!;
  const wrong = indices.find((k) => !(Number.isInteger(k) && k >= 0 && k < extent));
  if (wrong !== undefined) importer.refuse(node, `it takes element ${wrong} of an axis of ${extent}`);
  const dims = [shape.map((d, k) => (k === axis ? indices.length : d))];
  const [first = 0] = indices;
  if (indices.every((from, k) => from === first + k)) {
    if (indices.length === extent) {
      importer.alias(node, x);
      return x;
    }
    const range = { axes: [axis], starts: [first], ends: [first + indices.length] };
    return importer.push(node, "slice", [x], dims, range)[0]!;
  }
  return importer.push(node, "gather", [x], dims, { axis, indices: [...indices] })[0]!;
}

/** Copies a tensor along the axes that it lacks, so that it has the given dims. */
export function expandTo(importer: Importer, node: Node, x: TensorId, dims: readonly number[]): TensorId {
  let at = x;
  for (const { fields, dims: output } of expansion(importer.shape(x), dims)) {
    if (fields.kind === "reshape") at = importer.push(node, "reshape", [at], [output], {})[0]!;
    else {
      const { kind: _, ...gather } = fields as Pick<GatherLayer, "kind" | "axis" | "indices">;
      at = importer.push(node, "gather", [at], [output], gather as Omit<LayerOf<"gather">, keyof object>)[0]!;
    }
  }
  return at;
}

export const Gather: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const shape = importer.shape(x);
  const axis = axisIn(importer, node, node.int("axis", 0), shape.length);
  if (axis === 0) importer.refuse(node, "it picks frames of the batch");
  const indices = importer.weight(node, 1, "list of indices");
  if (indices.data.length > MAX_AXIS_LENGTH)
    importer.refuse(node, `it picks ${indices.data.length} elements of an axis`);
  const picked = Array.from(indices.data, (k) => (k < 0 ? k + shape[axis]! : k));
  const at = pick(importer, node, x, axis, picked);
  if (indices.dims.length === 1) return;
  const dims = [...shape.slice(0, axis), ...indices.dims, ...shape.slice(axis + 1)];
  importer.push(node, "reshape", [at], [dims], {});
};

export const Tile: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const repeats = Array.from(importer.weight(node, 1, "list of repeats").data);
  const shape = importer.shape(x);
  if (repeats.length !== shape.length || repeats.some((r) => !(Number.isInteger(r) && r >= 1)))
    importer.refuse(node, `its repeats [${repeats.join(", ")}] do not fit a tensor of ${shape.length} axes`);
  if (repeats[0] !== 1) importer.refuse(node, "it repeats the frames of the batch");
  importer.alias(node, x);
  let at = x;
  repeats.forEach((times, axis) => {
    const extent = shape[axis]!;
    if (times * extent > MAX_AXIS_LENGTH) importer.refuse(node, `it repeats an axis ${times} times`);
    if (times > 1)
      at = pick(
        importer,
        node,
        at,
        axis,
        Array.from({ length: times * extent }, (_, k) => k % extent),
      );
  });
};

export const Expand: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const shape = importer.shape(x);
  const wanted = Array.from(importer.weight(node, 1, "shape").data);
  const rank = Math.max(shape.length, wanted.length);
  if (rank > shape.length && wanted[0] !== 1 && wanted[0] !== BATCH)
    importer.refuse(node, "it copies frames along a new first axis");
  const own = (k: number): number => (k === 0 ? -1 : (shape[k - (rank - shape.length)] ?? 1));
  const dims = Array.from({ length: rank }, (_, k) => {
    const asked = wanted[k - (rank - wanted.length)] ?? 1;
    if (k === 0) return -1;
    if (rank > shape.length && k === rank - shape.length) return asked;
    return own(k) === 1 ? asked : own(k);
  });
  if (dims.some((d, k) => k > 0 && !(d >= 1 && d <= MAX_AXIS_LENGTH)))
    importer.refuse(node, `its shape [${wanted.join(", ")}] does not fit [N, ${shape.slice(1).join(", ")}]`);
  importer.alias(node, x);
  expandTo(importer, node, x, dims);
};
