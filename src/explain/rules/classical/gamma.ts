import { negative, positive } from "../../layers/weight-map.js";
import { bySign, type ClassicalRule } from "./rule.js";

const GAMMA = 0.25;
const favourPositive = (w: number): number => w + GAMMA * positive(w);
const favourNegative = (w: number): number => w + GAMMA * negative(w);

/**
 * `R_i = Σ_j (a_i w_ij + γ (a_i w_ij)⁺) R_j / Σ_i (…)` where `z_j > 0`, and with the negative parts favoured where `z_j < 0`:
 * the generalised rule, which allows negative inputs.
 */
export const gamma: ClassicalRule = {
  name: "gamma",
  emit(scope, layer, crossing) {
    const { e } = scope;
    const { z } = crossing;
    const share = bySign(scope, layer, crossing);
    return e.add(
      share(favourPositive, favourNegative, e.op("Greater", [z, e.number(0)])),
      share(favourNegative, favourPositive, e.less(z, e.number(0))),
    );
  },
};
