import type { LayerOf } from "../network/network.js";
import type { Reindexing } from "./layer.js";
import { shapeOf, tensorValue } from "./scope.js";

/** Kinds that move elements, each with how what left its outputs is moved back. */

export const reshape: Reindexing<LayerOf<"reshape">> = {
  family: "reindexing",
  permutes: true,
  forward: (scope, layer) => scope.e.reshape(tensorValue(scope, layer.inputs[0]!), shapeOf(scope, layer.outputs[0]!)),
  back: (scope, layer, [r]) => [scope.e.reshape(r!, shapeOf(scope, layer.inputs[0]!))],
};

export const transpose: Reindexing<LayerOf<"transpose">> = {
  family: "reindexing",
  permutes: true,
  forward: (scope, layer) => scope.e.transpose(tensorValue(scope, layer.inputs[0]!), layer.permutation),
  back: (scope, { permutation }, [r]) => [
    scope.e.transpose(
      r!,
      permutation.map((_, k) => permutation.indexOf(k)),
    ),
  ],
};

export const pad: Reindexing<LayerOf<"pad">> = {
  family: "reindexing",
  forward: (scope, layer) => scope.e.pad(tensorValue(scope, layer.inputs[0]!), layer.before, layer.after, layer.value),
  back(scope, { inputs, before, after }, [r]) {
    const shape = shapeOf(scope, inputs[0]!);
    const axes = shape.map((_, k) => k).filter((k) => before[k]! + after[k]! > 0);
    if (axes.length === 0) return [r!];
    const starts = axes.map((k) => before[k]!);
    const ends = axes.map((k) => before[k]! + shape[k]!);
    return [scope.e.slice(r!, axes, starts, ends)];
  },
};

export const slice: Reindexing<LayerOf<"slice">> = {
  family: "reindexing",
  forward: (scope, layer) => scope.e.slice(tensorValue(scope, layer.inputs[0]!), layer.axes, layer.starts, layer.ends),
  back(scope, layer, [r]) {
    const shape = shapeOf(scope, layer.inputs[0]!);
    const before = shape.map(() => 0);
    const after = shape.map(() => 0);
    layer.axes.forEach((axis, k) => {
      before[axis] = layer.starts[k]!;
      after[axis] = shape[axis]! - layer.ends[k]!;
    });
    return [scope.e.pad(r!, before, after)];
  },
};

export const concat: Reindexing<LayerOf<"concat">> = {
  family: "reindexing",
  forward: (scope, layer) =>
    scope.e.concat(
      layer.inputs.map((id) => tensorValue(scope, id)),
      layer.axis,
    ),
  back(scope, { inputs, axis }, [r]) {
    const sizes = inputs.map((id) => shapeOf(scope, id)[axis]!);
    return scope.e.many("Split", [r!, scope.e.ints(sizes)], sizes.length, { axis: { int: axis } });
  },
};

export const split: Reindexing<LayerOf<"split">> = {
  family: "reindexing",
  forward: (scope, { inputs, sizes, axis }) =>
    scope.e.many("Split", [tensorValue(scope, inputs[0]!), scope.e.ints(sizes)], sizes.length, { axis: { int: axis } }),
  back(scope, layer, parts) {
    const { e } = scope;
    const filled = parts.map((part, k) => part ?? e.mul(tensorValue(scope, layer.outputs[k]!), e.number(0)));
    return [e.concat(filled, layer.axis)];
  },
};
