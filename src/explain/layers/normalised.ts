import type { NormalisedLayer, TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import type { OneToOne } from "./layer.js";
import { shapeOf, tensorValue } from "./scope.js";
import { unbroadcast } from "./unbroadcast.js";

/** A tensor scaled by what says how large it is, such as the root of its mean square: one-to-one for relevance. */
export const normalised: OneToOne<NormalisedLayer> = {
  family: "one-to-one",
  forward(scope, { inputs: [x, s], divides }) {
    const [value, statistic] = [tensorValue(scope, x!), tensorValue(scope, s!)];
    return divides ? scope.e.div(value, statistic) : scope.e.mul(value, statistic);
  },
  slope: (scope, { inputs: [, s] }) => scope.e.sign(tensorValue(scope, s!)),
  gradient(scope, layer, g) {
    const { e } = scope;
    const [x, s] = layer.inputs as [TensorId, TensorId];
    const [value, statistic, y] = [x, s, layer.outputs[0]!].map((id) => tensorValue(scope, id)) as [
      Value,
      Value,
      Value,
    ];
    const [atX, atS] = layer.divides
      ? [e.div(g, statistic), e.op("Neg", [e.div(e.mul(g, y), statistic)])]
      : [e.mul(g, statistic), e.mul(g, value)];
    return [atX, unbroadcast(scope, atS, shapeOf(scope, layer.outputs[0]!), s)];
  },
};
