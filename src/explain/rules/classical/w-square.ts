import { weightedTransposed } from "../../layers/linear.js";
import { type ClassicalRule, forwardWith, ones, stabilized } from "./rule.js";

const square = (w: number): number => w * w;

/** `R_i = Σ_j w²_ij R_j / (Σ_i w²_ij + b²_j)`. */
export const wSquare: ClassicalRule = {
  name: "w-square",
  emit(scope, layer, { r }) {
    const { e } = scope;
    const total = forwardWith(scope, layer, ones(scope, layer), square, square);
    return weightedTransposed(scope, layer, e.div(r, stabilized(e, total)), [square])[0]!;
  },
};
