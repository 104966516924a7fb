import { weightedTransposed } from "../../layers/linear.js";
import type { Value } from "../../program/emitter.js";
import { belowZero, type ClassicalRule, forwardWith, negative, positive, stabilized } from "./rule.js";

/**
 * `R_i = α Σ_j (a_i w_ij)⁺ R_j / z⁺_j − β Σ_j (a_i w_ij)⁻ R_j / z⁻_j`, where `z⁺` and `z⁻` add up the positive and the
 * negative contributions and the bias of that sign.
 */
const alphaBeta = (name: string, alpha: number, beta: number): ClassicalRule => ({
  name,
  emit(scope, layer, { r, a, nonNegative }) {
    const { e } = scope;
    const up = nonNegative ? a : e.relu(a);
    const down = nonNegative ? undefined : belowZero(e, a);
    const share = (ofUp: (w: number) => number, ofDown: (w: number) => number): Value => {
      const first = forwardWith(scope, layer, up, ofUp, ofUp);
      const z = down === undefined ? first : e.add(first, forwardWith(scope, layer, down, ofDown, undefined));
      const g = e.div(r, stabilized(e, z));
      if (down === undefined) return e.mul(up, weightedTransposed(scope, layer, g, [ofUp])[0]!);
      const [fromUp, fromDown] = weightedTransposed(scope, layer, g, [ofUp, ofDown]) as [Value, Value];
      return e.add(e.mul(up, fromUp), e.mul(down, fromDown));
    };
    const raising = share(positive, negative);
    if (beta === 0) return raising;
    return e.sub(e.mul(raising, e.number(alpha)), e.mul(share(negative, positive), e.number(beta)));
  },
});

export const zPlus: ClassicalRule = alphaBeta("z-plus", 1, 0);
export const alpha1Beta0: ClassicalRule = alphaBeta("alpha1-beta0", 1, 0);
export const alpha2Beta1: ClassicalRule = alphaBeta("alpha2-beta1", 2, 1);
