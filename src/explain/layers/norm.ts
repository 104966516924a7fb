import type { NormLayer, Weights } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { type Scope, tensorValue } from "./scope.js";

const withBatch = (w: Weights): Weights => ({ dims: w.dims.length === 0 ? [] : [1, ...w.dims], data: w.data });

/** `(x − mean) / √(variance + ε)` and its divisor. */
function normalised(scope: Scope, layer: NormLayer): { y: Value; deviation: Value } {
  const { e } = scope;
  const x = tensorValue(scope, layer.inputs[0]!);
  const centred = e.sub(x, e.reduce("ReduceMean", x, layer.axes));
  const variance = e.reduce("ReduceMean", e.mul(centred, centred), layer.axes);
  const deviation = e.op("Sqrt", [e.add(variance, e.number(layer.epsilon))]);
  return { y: e.div(centred, deviation), deviation };
}

export function normForward(scope: Scope, layer: NormLayer): Value {
  const { e } = scope;
  const { y } = normalised(scope, layer);
  const scaled = layer.factor ? e.mul(y, e.weights(withBatch(layer.factor))) : y;
  return layer.shift ? e.add(scaled, e.weights(withBatch(layer.shift))) : scaled;
}

/** `(h − mean(h) − ŷ · mean(h ŷ)) / deviation` with `h = g · factor`: the derivative through mean and variance too. */
export function normGradient(scope: Scope, layer: NormLayer, g: Value): Value {
  const { e } = scope;
  const { y, deviation } = normalised(scope, layer);
  const h = layer.factor ? e.mul(g, e.weights(withBatch(layer.factor))) : g;
  const mean = (v: Value): Value => e.reduce("ReduceMean", v, layer.axes);
  return e.div(e.sub(e.sub(h, mean(h)), e.mul(y, mean(e.mul(h, y)))), deviation);
}
