import type { NormalisedLayer, TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import type { OneToOne } from "./layer.js";
import { type Scope, shapeOf, tensorValue } from "./scope.js";
import { unbroadcast } from "./unbroadcast.js";

/** A tensor scaled or shifted by what says how large it is, such as the root of its mean square: one-to-one for relevance. */
export const normalised: OneToOne<NormalisedLayer> = {
  family: "one-to-one",
  forward: (scope, { inputs, op }) =>
    scope.e.op(
      op,
      inputs.map((id) => tensorValue(scope, id)),
    ),
  slope: (scope, { inputs: [, s], op }) => (isShift(op) ? undefined : scope.e.sign(tensorValue(scope, s!))),
  gradient(scope, layer, g) {
    const [, s] = layer.inputs as [TensorId, TensorId];
    const [atX, atS] = gradients(scope, layer, g);
    return [atX, unbroadcast(scope, atS, shapeOf(scope, layer.outputs[0]!), s)];
  },
};

const isShift = (op: NormalisedLayer["op"]): boolean => op === "Add" || op === "Sub";

/** Of x and of what it meets, both with the dims of the output. */
function gradients(scope: Scope, { inputs: [x, s], outputs, op }: NormalisedLayer, g: Value): [Value, Value] {
  const { e } = scope;
  if (isShift(op)) return [g, op === "Add" ? g : e.op("Neg", [g])];
  const [value, statistic, y] = [x!, s!, outputs[0]!].map((id) => tensorValue(scope, id)) as [Value, Value, Value];
  return op === "Div"
    ? [e.div(g, statistic), e.op("Neg", [e.div(e.mul(g, y), statistic)])]
    : [e.mul(g, statistic), e.mul(g, value)];
}
