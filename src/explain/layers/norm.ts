import type { NormLayer } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import type { OneToOne } from "./layer.js";
import { scaledAndShifted, slopeOfFactor, timesFactor } from "./scale.js";
import { type Scope, tensorValue } from "./scope.js";

/** `(x − mean) / √(variance + ε)` and its divisor. */
function normalised(scope: Scope, layer: NormLayer): { y: Value; deviation: Value } {
  const { e } = scope;
  const x = tensorValue(scope, layer.inputs[0]!);
  const centred = e.sub(x, e.reduce("ReduceMean", x, layer.axes));
  const variance = e.reduce("ReduceMean", e.mul(centred, centred), layer.axes);
  const deviation = e.op("Sqrt", [e.add(variance, e.number(layer.epsilon))]);
  return { y: e.div(centred, deviation), deviation };
}

export const norm: OneToOne<NormLayer> = {
  family: "one-to-one",
  forward: (scope, layer) => scaledAndShifted(scope, layer, normalised(scope, layer).y),
  slope: slopeOfFactor,
  /** `(h − mean(h) − ŷ · mean(h ŷ)) / deviation` with `h = g · factor`: the derivative through mean and variance too. */
  gradient(scope, layer, g) {
    const { e } = scope;
    const { y, deviation } = normalised(scope, layer);
    const h = timesFactor(scope, layer, g);
    const mean = (v: Value): Value => e.reduce("ReduceMean", v, layer.axes);
    return [e.div(e.sub(e.sub(h, mean(h)), e.mul(y, mean(e.mul(h, y)))), deviation)];
  },
};
