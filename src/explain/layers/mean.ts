import type { MeanLayer } from "../network/network.js";
import { channelScaled, channelShifted } from "./folded.js";
import type { Averaging } from "./layer.js";
import { shapeOf, tensorValue } from "./scope.js";
import { same } from "./weight-map.js";

export const mean: Averaging<MeanLayer> = {
  family: "averaging",
  forward: (scope, layer) =>
    channelShifted(scope, layer, mean.with(scope, layer, tensorValue(scope, layer.inputs[0]!), same)),
  with(scope, layer, a, map) {
    const { e } = scope;
    const spatial = layer.keepDims && layer.axes.join() === "2,3" && shapeOf(scope, layer.inputs[0]!).length === 4;
    const z = spatial ? e.op("GlobalAveragePool", [a]) : e.reduce("ReduceMean", a, layer.axes, layer.keepDims);
    return channelScaled(scope, layer, z, map);
  },
  broadcasts: true,
  /** `γ g / n`, with the averaged axes kept as 1 so that it broadcasts against the layer's input. */
  transposed(scope, layer, g) {
    const { e } = scope;
    const shape = shapeOf(scope, layer.inputs[0]!);
    const n = layer.axes.reduce((product, axis) => product * shape[axis]!, 1);
    const weighted = channelScaled(scope, layer, g, same);
    const kept = layer.keepDims
      ? weighted
      : e.reshape(
          weighted,
          shape.map((d, k) => (layer.axes.includes(k) ? 1 : d)),
        );
    return e.mul(kept, e.number(1 / n));
  },
};
