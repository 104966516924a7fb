import type { LayerOf, Weights } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { type Scope, shapeOf, tensorValue } from "./scope.js";

/** Layers that only move elements, with how relevance is moved back. Any form of relevance may be given. */

const withBatch = (w: Weights): Weights => ({ dims: w.dims.length === 0 ? [] : [1, ...w.dims], data: w.data });

export const scaleForward = (
  scope: Scope,
  layer: LayerOf<"scale">,
  x = tensorValue(scope, layer.inputs[0]!),
): Value => {
  const { e } = scope;
  const scaled = layer.factor ? e.mul(x, e.weights(withBatch(layer.factor))) : x;
  return layer.shift ? e.add(scaled, e.weights(withBatch(layer.shift))) : scaled;
};

/** −1 where the factor is negative; undefined where it never is. */
export function scaleSlope(scope: Scope, layer: LayerOf<"scale"> | LayerOf<"norm">): Value | undefined {
  if (!layer.factor?.data.some((v) => v < 0)) return undefined;
  const signs = withBatch({ dims: layer.factor.dims, data: layer.factor.data.map((v) => (v < 0 ? -1 : 1)) });
  return scope.e.weights(signs);
}

export const reshapeForward = (
  scope: Scope,
  layer: LayerOf<"reshape">,
  x = tensorValue(scope, layer.inputs[0]!),
): Value => scope.e.reshape(x, shapeOf(scope, layer.outputs[0]!));
export const reshapeBack = (scope: Scope, layer: LayerOf<"reshape">, r: Value): Value =>
  scope.e.reshape(r, shapeOf(scope, layer.inputs[0]!));

export const transposeForward = (
  scope: Scope,
  layer: LayerOf<"transpose">,
  x = tensorValue(scope, layer.inputs[0]!),
): Value => scope.e.transpose(x, layer.permutation);
export const transposeBack = (scope: Scope, layer: LayerOf<"transpose">, r: Value): Value =>
  scope.e.transpose(
    r,
    layer.permutation.map((_, k) => layer.permutation.indexOf(k)),
  );

export const padForward = (scope: Scope, layer: LayerOf<"pad">, x = tensorValue(scope, layer.inputs[0]!)): Value =>
  scope.e.pad(x, layer.before, layer.after, layer.value);
export const padBack = (scope: Scope, layer: LayerOf<"pad">, r: Value): Value => {
  const shape = shapeOf(scope, layer.inputs[0]!);
  const axes = shape.map((_, k) => k).filter((k) => layer.before[k]! + layer.after[k]! > 0);
  if (axes.length === 0) return r;
  return scope.e.slice(
    r,
    axes,
    axes.map((k) => layer.before[k]!),
    axes.map((k) => layer.before[k]! + shape[k]!),
  );
};

export const sliceForward = (scope: Scope, layer: LayerOf<"slice">): Value =>
  scope.e.slice(tensorValue(scope, layer.inputs[0]!), layer.axes, layer.starts, layer.ends);
export const sliceBack = (scope: Scope, layer: LayerOf<"slice">, r: Value): Value => {
  const shape = shapeOf(scope, layer.inputs[0]!);
  const before = shape.map(() => 0);
  const after = shape.map(() => 0);
  layer.axes.forEach((axis, k) => {
    before[axis] = layer.starts[k]!;
    after[axis] = shape[axis]! - layer.ends[k]!;
  });
  return scope.e.pad(r, before, after);
};

export const concatForward = (scope: Scope, layer: LayerOf<"concat">): Value =>
  scope.e.concat(
    layer.inputs.map((id) => tensorValue(scope, id)),
    layer.axis,
  );
/** One part an input. */
export function concatBack(scope: Scope, layer: LayerOf<"concat">, r: Value): Value[] {
  const sizes = layer.inputs.map((id) => shapeOf(scope, id)[layer.axis]!);
  return scope.e.many("Split", [r, scope.e.ints(sizes)], sizes.length, { axis: { int: layer.axis } });
}

export const splitForward = (scope: Scope, layer: LayerOf<"split">): Value[] =>
  scope.e.many("Split", [tensorValue(scope, layer.inputs[0]!), scope.e.ints(layer.sizes)], layer.sizes.length, {
    axis: { int: layer.axis },
  });
/** Parts without relevance count as zero. */
export function splitBack(scope: Scope, layer: LayerOf<"split">, parts: (Value | undefined)[]): Value {
  const { e } = scope;
  const filled = parts.map((part, k) => part ?? e.mul(tensorValue(scope, layer.outputs[k]!), e.number(0)));
  return e.concat(filled, layer.axis);
}

export const addForward = (scope: Scope, layer: LayerOf<"add">): Value =>
  layer.inputs.map((id) => tensorValue(scope, id)).reduce(scope.e.add);
export const multiplyForward = (scope: Scope, layer: LayerOf<"gate">): Value =>
  scope.e.mul(tensorValue(scope, layer.inputs[0]!), tensorValue(scope, layer.inputs[1]!));
export const softmaxForward = (scope: Scope, layer: LayerOf<"softmax">): Value =>
  scope.e.op("Softmax", [tensorValue(scope, layer.inputs[0]!)], { axis: { int: layer.axis } });
