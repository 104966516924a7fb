import type { RoundingLayer } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import type { OneToOne } from "./layer.js";
import { type Scope, shapeOf, tensorValue } from "./scope.js";

/** The scale, and the least and the largest whole number, of a tensor whose own values decide them. */
function ofFrame({ e }: Scope, layer: RoundingLayer, x: Value, rank: number): Record<"scale" | "low" | "high", Value> {
  const axes = Array.from({ length: rank - 1 }, (_, k) => k + 1);
  const negative = e.op("Neg", [x]);
  const [above, below] = [x, negative].map((v) => e.max(e.reduce("ReduceMax", v, axes), e.number(0))) as [Value, Value];
  const steps = e.number(layer.high - layer.low);
  // A frame of zeros alone has no scale; any other will do.
  const scale = e.max(e.div(e.add(above, below), steps), e.number(1e-30));
  const low = e.op("Neg", [e.op("Round", [e.div(below, scale)])]);
  return { scale, low, high: e.add(low, steps) };
}

/** Rounds in the forward pass; relevance passes as through an activation. */
export const rounding: OneToOne<RoundingLayer> = {
  family: "one-to-one",
  forward(scope, layer) {
    const { e } = scope;
    const x = tensorValue(scope, layer.inputs[0]!);
    if (layer.scale === undefined) {
      const { scale, low, high } = ofFrame(scope, layer, x, shapeOf(scope, layer.inputs[0]!).length);
      const whole = e.op("Round", [e.div(x, scale)]);
      return e.mul(e.op("Min", [e.max(whole, low), high]), scale);
    }
    const scale = e.number(layer.scale);
    const whole = e.op("Round", [e.div(x, scale)]);
    return e.mul(e.op("Clip", [whole, e.number(layer.low), e.number(layer.high)]), scale);
  },
  /** Of the clip alone, as if nothing were rounded. */
  gradient(scope, layer, g) {
    const { e } = scope;
    if (layer.scale === undefined) return [g];
    const x = tensorValue(scope, layer.inputs[0]!);
    const half = 0.5 * layer.scale;
    const [low, high] = [layer.low * layer.scale - half, layer.high * layer.scale + half];
    const inside = e.mul(
      e.cast(e.op("Greater", [x, e.number(low)]), "float32"),
      e.cast(e.less(x, e.number(high)), "float32"),
    );
    return [e.mul(g, inside)];
  },
};
