import { isLinear, isWeighted, linearTransposed } from "../layers/linear.js";
import { recordOf } from "../layers/registry.js";
import { type Scope, tensorValue } from "../layers/scope.js";
import type { InputBounds } from "../program/bounds.js";
import type { Value } from "../program/emitter.js";
import type { Composite } from "../rules/classical/composites.js";
import { stabilized } from "../rules/classical/rule.js";
import { InputBoundsPropagation } from "./input-bounds.js";
import { noRelevance } from "./refusal.js";
import { nonNegativeIds, pictureReaders } from "./structure.js";
import { type Method, plainValues, walkBack } from "./walk.js";

export interface ClassicalOptions {
  composite: Composite;
  /** Signed relevance at the logits, `[N, classes]`. */
  start: Value;
  /** Values of the network's input for pixel 0 and 255. */
  bounds: InputBounds;
}

/** Emits the relevance of the network's input by a classical composite, as zennit 0.5 does; dims of that input. */
export const emitClassical = (scope: Scope, options: ClassicalOptions): Value =>
  walkBack(scope, classical(scope, options), options.start);

/**
 * Plain signed relevance, not rescaled: one-to-one layers pass it, averages and sums share it by contribution, the first winner
 * of a max pool takes all. A gate, which zennit leaves to the gradient, gives all to its signal. What zennit does not know either:
 * attention weights are held fixed (Ali et al. 2022), other products are shared by halves (AttnLRP, Achtibat et al. 2024).
 */
function classical(scope: Scope, { composite, bounds }: ClassicalOptions): Method<Value> {
  const { e, network } = scope;
  const first = pictureReaders(network);
  const nonNegative = nonNegativeIds(network);
  const propagation = new InputBoundsPropagation(scope, bounds);
  return {
    ...plainValues(scope),
    cross(layer, r) {
      const [input, output] = [layer.inputs[0]!, layer.outputs[0]!];
      const a = tensorValue(scope, input);
      const z = tensorValue(scope, output);
      if (isWeighted(layer)) {
        const own = first.has(layer) ? composite.first?.[layer.kind] : undefined;
        const crossing = {
          r,
          a,
          z,
          nonNegative: nonNegative.has(input),
          bounds: first.has(layer) ? propagation.at(input) : undefined,
        };
        return [[input, (own ?? composite[layer.kind]).emit(scope, layer, crossing)]];
      }
      // `R_i = a_i Σ_j w_ij R_j / z_j`
      if (isLinear(layer)) return [[input, e.mul(a, linearTransposed(scope, layer, e.div(r, stabilized(e, z))))]];
      const record = recordOf(layer);
      switch (record.family) {
        case "one-to-one":
        case "gate":
          return [[input, r]];
        case "sum": {
          const share = e.div(r, stabilized(e, z));
          return layer.inputs.map((id) => [id, e.mul(tensorValue(scope, id), share)]);
        }
        case "bilinear": {
          const shares = record.gradient(scope, layer, e.div(r, stabilized(e, z)));
          return layer.inputs.map((id, k) => [id, e.mul(e.mul(tensorValue(scope, id), shares[k]!), e.number(0.5))]);
        }
        case "signals": {
          const half = e.mul(r, e.number(0.5));
          return layer.inputs.map((id) => [id, half]);
        }
        case "maximum":
          return [[input, record.back(scope, layer, r, "first")]];
        default:
          return undefined;
      }
    },
    refusal: noRelevance,
  };
}
