import type { SoftmaxLayer } from "../network/network.js";
import type { Opaque } from "./layer.js";
import { tensorValue } from "./scope.js";

export const softmax: Opaque<SoftmaxLayer> = {
  family: "opaque",
  forward: (scope, layer) =>
    scope.e.op("Softmax", [tensorValue(scope, layer.inputs[0]!)], { axis: { int: layer.axis } }),
  /** `y (g − Σ g y)`. */
  gradient(scope, layer, g) {
    const { e } = scope;
    const y = tensorValue(scope, layer.outputs[0]!);
    return [e.mul(y, e.sub(g, e.reduce("ReduceSum", e.mul(g, y), [layer.axis])))];
  },
};
