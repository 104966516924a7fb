import type { TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { type Scope, shapeOf } from "./scope.js";

/** What is added up, averaged or scaled over one frame: the one place that knows which axes a frame has. */

/** The axes of a tensor that lie within a frame: all but the batch. */
const frameAxes = (scope: Scope, id: TensorId): number[] =>
  shapeOf(scope, id)
    .map((_, k) => k)
    .slice(1);

/** The mean over each frame of a value with a tensor's dims, `[N, 1, …]`. */
export const frameMean = (scope: Scope, id: TensorId, value: Value): Value =>
  scope.e.reduce("ReduceMean", value, frameAxes(scope, id));

/** `Σ|v|` over each frame, `[N, 1, …]`; ReduceL1 means the same and is several times slower in engines. */
export const frameNorm = (scope: Scope, id: TensorId, value: Value): Value =>
  scope.e.reduce("ReduceSum", scope.e.abs(value), frameAxes(scope, id));

/** A scalar a frame with as many axes as a tensor. */
export const frameScalar = (scope: Scope, id: TensorId, value: Value): Value =>
  scope.e.reshape(value, [-1, ...frameAxes(scope, id).map(() => 1)]);
