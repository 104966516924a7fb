import type { GatherLayer } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import type { Reindexing } from "./layer.js";
import { type Scope, shapeOf, tensorValue } from "./scope.js";

/** Copies along one axis; what several copies carry adds up at the element that they come from. */
export const gather: Reindexing<GatherLayer> = {
  family: "reindexing",
  forward(scope, layer) {
    const { e } = scope;
    const x = tensorValue(scope, layer.inputs[0]!);
    const extent = shapeOf(scope, layer.inputs[0]!)[layer.axis]!;
    if (extent > 1) return pick(scope, x, layer.indices, layer.axis);
    const dims = shapeOf(scope, layer.outputs[0]!).map((d, k) => (k === layer.axis ? d : 1));
    return e.op("Expand", [x, e.ints(dims)]);
  },
  back: (scope, layer, [r]) => [addedUp(scope, layer, r!)],
};

const pick = ({ e }: Scope, x: Value, indices: readonly number[], axis: number): Value =>
  e.op("Gather", [x, e.ints(indices)], { axis: { int: axis } });

/** `r_i = Σ_{k: index(k) = i} r_k`, dims of the layer's input. */
function addedUp(scope: Scope, layer: GatherLayer, r: Value): Value {
  const { e } = scope;
  const { axis, indices } = layer;
  const shape = shapeOf(scope, layer.inputs[0]!);
  const extent = shape[axis]!;
  const copies = indices.length / extent;
  const whole = Number.isInteger(copies);
  if (extent === 1) return e.reduce("ReduceSum", r, [axis]);
  if (whole && indices.every((from, k) => from === Math.floor(k / copies)))
    return e.reduce(
      "ReduceSum",
      e.reshape(
        r,
        shape.flatMap((d, k) => (k === axis ? [d, copies] : [d])),
      ),
      [axis + 1],
      false,
    );
  if (whole && indices.every((from, k) => from === k % extent))
    return e.reduce(
      "ReduceSum",
      e.reshape(
        r,
        shape.flatMap((d, k) => (k === axis ? [copies, d] : [d])),
      ),
      [axis],
      false,
    );
  // Round m brings the m-th copy of each element; an element without one reads the zero that stands behind the last.
  const places: number[][] = Array.from({ length: extent }, () => []);
  indices.forEach((from, k) => {
    places[from]!.push(k);
  });
  const rounds = Math.max(...places.map((p) => p.length));
  const none = shape.map(() => 0);
  const padded = e.pad(
    r,
    none,
    none.map((_, k) => (k === axis ? 1 : 0)),
  );
  return Array.from({ length: rounds }, (_, m) =>
    pick(
      scope,
      padded,
      places.map((p) => p[m] ?? indices.length),
      axis,
    ),
  ).reduce(e.add);
}
