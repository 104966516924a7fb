import type { SignalsLayer, TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import type { Signals } from "./layer.js";
import { tensorValue } from "./scope.js";

/** A product of two branches, as in SwiGLU, GEGLU and StarNet. */
export const signals: Signals<SignalsLayer> = {
  family: "signals",
  forward: (scope, { inputs: [a, b] }) => scope.e.mul(tensorValue(scope, a!), tensorValue(scope, b!)),
  gradient(scope, layer, g) {
    const [a, b] = layer.inputs as [TensorId, TensorId];
    const times = (id: TensorId): Value => scope.e.mul(g, tensorValue(scope, id));
    return [times(b), times(a)];
  },
};
