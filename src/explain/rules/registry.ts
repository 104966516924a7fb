import { InputError } from "../../errors.js";
import { METHOD_NAMES } from "../method-names.js";
import { bounded } from "./bounded.js";
import { box } from "./box.js";
import { contribution } from "./contribution.js";
import { flat } from "./flat.js";
import { rLrp } from "./r-lrp.js";
import { rLrpAbsolute } from "./r-lrp-absolute.js";
import { rLrpConstant } from "./r-lrp-constant.js";
import { rLrpGraded } from "./r-lrp-graded.js";
import { rLrpLocal } from "./r-lrp-local.js";
import type { InputRule, LinearRule } from "./rule.js";

/** Methods by name. One line registers one. */
export const METHODS: readonly LinearRule[] = [rLrpGraded, rLrpLocal, rLrp, rLrpConstant, rLrpAbsolute];
/** Rules of the layer that reads the picture. One line registers one. */
export const INPUT_RULES: readonly InputRule[] = [box, bounded, contribution, flat];

function find<R extends { name: string }>(
  rules: readonly R[],
  what: string,
  name: string,
  known: readonly string[] = rules.map((r) => r.name),
): R {
  const rule = rules.find((r) => r.name === name);
  if (!rule) throw new InputError("unknown-rule", `${what} "${name}" is not known; known are ${known.join(", ")}`);
  return rule;
}

export const methodNamed = (name: string): LinearRule => find(METHODS, "method", name, METHOD_NAMES);
export const inputRuleNamed = (name: string): InputRule => find(INPUT_RULES, "input rule", name);
