import { neuronReach } from "../layers/linear.js";
import { tensorValue } from "../layers/scope.js";
import { rLrp } from "./r-lrp.js";
import { divisor, type LinearRule, NEGLIGIBLE } from "./rule.js";

/**
 * `|d_j| = |z_j| + S_j` with `S_j = ‖w_j‖₁ · mean |a|` over what neuron j reads: relative to what it could have had. Pools and
 * transposed convolutions as `r-lrp`.
 */
export const rLrpLocal: LinearRule = {
  name: "r-lrp-local",
  smooth: true,
  agreeing: true,
  denominator(scope, layer, crossing) {
    const { e } = scope;
    const reach = neuronReach(scope, layer, crossing.input, NEGLIGIBLE);
    if (reach === undefined) return rLrp.denominator(scope, layer, crossing);
    const size = crossing.output ?? e.abs(tensorValue(scope, layer.outputs[0]!));
    const d = e.add(size, reach);
    return crossing.vanishes ? d : divisor(e, d);
  },
};
