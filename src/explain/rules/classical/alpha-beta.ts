import { negative, positive } from "../../layers/weight-map.js";
import { bySign, type ClassicalRule } from "./rule.js";

/**
 * `R_i = α Σ_j (a_i w_ij)⁺ R_j / z⁺_j − β Σ_j (a_i w_ij)⁻ R_j / z⁻_j`, where `z⁺` and `z⁻` add up the positive and the
 * negative contributions and the bias of that sign.
 */
const alphaBeta = (name: string, alpha: number, beta: number): ClassicalRule => ({
  name,
  emit(scope, layer, crossing) {
    const { e } = scope;
    const share = bySign(scope, layer, crossing);
    const raising = share(positive, negative);
    if (beta === 0) return raising;
    return e.sub(e.mul(raising, e.number(alpha)), e.mul(share(negative, positive), e.number(beta)));
  },
});

export const zPlus: ClassicalRule = alphaBeta("z-plus", 1, 0);
export const alpha1Beta0: ClassicalRule = alphaBeta("alpha1-beta0", 1, 0);
export const alpha2Beta1: ClassicalRule = alphaBeta("alpha2-beta1", 2, 1);
