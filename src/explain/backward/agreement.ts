import type { Maximum } from "../layers/layer.js";
import { tensorValue } from "../layers/scope.js";
import type { Layer, TensorId } from "../network/network.js";
import { NEGLIGIBLE, TINY } from "../rules/rule.js";
import { type PendingRelevance, type RelevanceForms, vanishes } from "./pending-relevance.js";
import type { Sent } from "./walk.js";

/** Where only what pulls the way of the result has a share in its relevance: at skip connections and in max pools. */

/**
 * `R_k = R · max(s(z) u_k, 0) / Σ_m max(s(z) u_m, 0)`: branches that pull the other way get nothing. Each share is that of
 * `|u_k|` where `s(u_k) = s(z)`, so unsigned relevance has it as it is.
 */
export function agreeingSum(
  forms: RelevanceForms,
  branches: readonly TensorId[],
  output: TensorId,
  message: PendingRelevance,
): Sent<PendingRelevance> {
  const { scope } = forms;
  const { e } = scope;
  const p = forms.unsigned(output, forms.settled(output, message));
  const { crossed } = p;
  // Where all relevance is at a positive sum, its sign need not be asked.
  const positive = p.positive || forms.isNonNegative(output);
  const sign = positive ? undefined : e.sign(tensorValue(scope, output));
  const parts = branches.map((id) => (sign ? e.relu(e.mul(sign, tensorValue(scope, id))) : forms.positive(id)));
  const share = e.div(p.value, e.max(parts.reduce(e.add), e.number(NEGLIGIBLE)));
  return branches.map((id, k): [TensorId, PendingRelevance] => {
    if (positive && forms.isNonNegative(id)) return [id, { form: "per-unit", value: share, positive: true, crossed }];
    const part = parts[k]!;
    const value = e.mul(share, part);
    return [id, { form: "unsigned", value, vanishes: true, positive, size: part, crossed }];
  });
}

/**
 * The shares of each window ∝ `max(a, 0)²`; where nothing is positive the winner takes all, ties equally.
 * @param message what left the pool's output, with its norm settled unless windows tile the input
 */
export function agreeingMaximum(
  forms: RelevanceForms,
  layer: Layer,
  pool: Maximum<Layer>,
  message: PendingRelevance,
): PendingRelevance {
  const { scope } = forms;
  const { e } = scope;
  const [input, output] = [layer.inputs[0]!, layer.outputs[0]!];
  const a = forms.positive(input);
  const sums = pool.windowSums(scope, layer, e.mul(a, a));
  const somewhere = message.positive || (vanishes(message) && forms.isNonNegative(output));
  const p = message.form === "signed" ? message : forms.unsigned(output, message);
  const known = { vanishes: undefined, positive: undefined, size: undefined };
  if (somewhere && p.form === "unsigned") {
    const value = e.mul(a, pool.spread(scope, layer, e.div(p.value, e.max(sums, e.number(TINY)))));
    return { ...p, ...known, form: "per-unit", positive: true, value };
  }
  const isPositive = e.op("Greater", [sums, e.number(TINY)]);
  const shared = e.where(isPositive, e.div(p.value, e.max(sums, e.number(TINY))), e.number(0));
  const won = pool.back(scope, layer, e.where(isPositive, e.number(0), p.value), "share");
  return { ...p, ...known, value: e.add(e.mul(e.mul(a, a), pool.spread(scope, layer, shared)), won) };
}
