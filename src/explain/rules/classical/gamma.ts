import { weightedTransposed } from "../../layers/linear.js";
import type { Value } from "../../program/emitter.js";
import { belowZero, type ClassicalRule, forwardWith, negative, positive, stabilized } from "./rule.js";

const GAMMA = 0.25;
const favourPositive = (w: number): number => w + GAMMA * positive(w);
const favourNegative = (w: number): number => w + GAMMA * negative(w);

/**
 * `R_i = Σ_j (a_i w_ij + γ (a_i w_ij)⁺) R_j / Σ_i (…)` where `z_j > 0`, and with the negative parts favoured where `z_j < 0`:
 * the generalised rule, which allows negative inputs.
 */
export const gamma: ClassicalRule = {
  name: "gamma",
  emit(scope, layer, { r, a, z, nonNegative }) {
    const { e } = scope;
    const up = nonNegative ? a : e.relu(a);
    const down = nonNegative ? undefined : belowZero(e, a);
    const share = (where: Value, ofUp: (w: number) => number, ofDown: (w: number) => number): Value => {
      const first = forwardWith(scope, layer, up, ofUp, ofUp);
      const total = down === undefined ? first : e.add(first, forwardWith(scope, layer, down, ofDown, undefined));
      const g = e.where(where, e.div(r, stabilized(e, total)), e.number(0));
      if (down === undefined) return e.mul(up, weightedTransposed(scope, layer, g, [ofUp])[0]!);
      const [fromUp, fromDown] = weightedTransposed(scope, layer, g, [ofUp, ofDown]) as [Value, Value];
      return e.add(e.mul(up, fromUp), e.mul(down, fromDown));
    };
    return e.add(
      share(e.op("Greater", [z, e.number(0)]), favourPositive, favourNegative),
      share(e.less(z, e.number(0)), favourNegative, favourPositive),
    );
  },
};
