import { frameNorm, frameScalar } from "../layers/per-frame.js";
import { type Scope, tensorValue } from "../layers/scope.js";
import type { TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { TINY } from "../rules/rule.js";
import { beforeFirstLinear, nonNegativeIds } from "./structure.js";

/**
 * Relevance of one tensor `t` on its way back, in the form that is cheapest at that place:
 * `per-unit` V with `R = t · V`, `unsigned` P with `R = s(t) · P`, or `signed` R itself (before the first linear layer).
 */
export interface PendingRelevance {
  form: "per-unit" | "unsigned" | "signed";
  value: Value;
  /**
   * ‖R‖₁ that the value should have, `[N, 1, …]`, while its own scale is arbitrary. Undefined: the value's scale counts.
   * Linear layers keep ‖R‖₁, so one rescaling at the end of a chain of them stands for one at each.
   */
  norm?: Value;
  /** Whether R is 0 wherever the tensor is (always so where the form is per unit), and where it is negative as well. */
  vanishes?: boolean;
  positive?: boolean;
  /** What may stand for `|t|`: it differs only where R is 0. */
  size?: Value;
  /** Linear layers that the value has crossed since its scale was last known; default 0. */
  crossed?: number;
  /** The same of the norm: what is brought to it is as far from a known scale as it was. */
  normCrossed?: number;
}

/** Brings pending relevance from one form to another. Each takes the tensor that the relevance is of. */
export class RelevanceForms {
  #before: Set<TensorId>;
  #nonNegative: Set<TensorId>;

  constructor(readonly scope: Scope) {
    this.#before = beforeFirstLinear(scope.network);
    this.#nonNegative = nonNegativeIds(scope.network);
  }

  /** One-to-one layers pass the amount: unsigned above the first linear layer, signed before it. */
  oneToOne(at: TensorId, r: PendingRelevance): PendingRelevance {
    return this.#before.has(at) ? this.signed(at, r) : this.unsigned(at, r);
  }

  unsigned(at: TensorId, r: PendingRelevance): PendingRelevance {
    if (r.form === "unsigned") return r;
    const { e } = this.scope;
    const value =
      r.form === "per-unit" ? e.mul(r.value, this.magnitude(at)) : e.mul(r.value, e.sign(tensorValue(this.scope, at)));
    return { ...r, form: "unsigned", vanishes: vanishes(r), value };
  }

  signed(at: TensorId, r: PendingRelevance): PendingRelevance {
    if (r.form === "signed") return r;
    const { e } = this.scope;
    const t = tensorValue(this.scope, at);
    const value = e.mul(r.value, r.form === "per-unit" ? t : e.sign(t));
    return { ...r, form: "signed", vanishes: vanishes(r), value };
  }

  /** Whether a tensor cannot be negative. */
  isNonNegative(at: TensorId): boolean {
    return this.#nonNegative.has(at);
  }

  /** `|t|`. */
  magnitude(at: TensorId): Value {
    const t = tensorValue(this.scope, at);
    return this.isNonNegative(at) ? t : this.scope.e.abs(t);
  }

  /** `max(t, 0)`. */
  positive(at: TensorId): Value {
    const t = tensorValue(this.scope, at);
    return this.isNonNegative(at) ? t : this.scope.e.relu(t);
  }

  /** ‖R‖₁ by the value's own scale, `[N, 1, …]`. */
  norm(at: TensorId, r: PendingRelevance): Value {
    return frameNorm(this.scope, at, this.#amount(at, r).value);
  }

  /** Brings the value to the norm that it should have. */
  settled(at: TensorId, r: PendingRelevance): PendingRelevance {
    if (r.norm === undefined) return r;
    const { e } = this.scope;
    const p = this.#amount(at, r);
    const factor = e.div(frameScalar(this.scope, at, r.norm), e.max(this.norm(at, p), e.number(TINY)));
    // Where nothing is left to scale the factor must stay finite: 0 · ∞ is no number.
    const value = e.mul(p.value, e.op("Min", [factor, e.number(3e38)]));
    return { ...p, value, norm: undefined, normCrossed: undefined, crossed: r.normCrossed };
  }

  /** Adds up what arrives at one tensor, several at least. */
  sum(at: TensorId, list: readonly PendingRelevance[]): PendingRelevance {
    const settled = list.map((r) => this.settled(at, r));
    const same = settled.every((r) => r.form === "per-unit") ? settled : settled.map((r) => this.oneToOne(at, r));
    return {
      form: same[0]!.form,
      value: same.map((r) => r.value).reduce(this.scope.e.add),
      vanishes: settled.every(vanishes),
      positive: settled.every((r) => r.positive),
      crossed: maxCrossed(same),
    };
  }

  #amount(at: TensorId, r: PendingRelevance): PendingRelevance {
    return r.form === "per-unit" ? this.unsigned(at, r) : r;
  }
}

/** Whether relevance is 0 wherever its tensor is. */
export const vanishes = (r: PendingRelevance): boolean => r.form === "per-unit" || r.vanishes === true;

/** Of relevance that becomes one. */
export const maxCrossed = (list: readonly (PendingRelevance | undefined)[]): number =>
  Math.max(...list.map((r) => r?.crossed ?? 0));
