import { alpha1Beta0, alpha2Beta1, zPlus } from "./alpha-beta.js";
import { box } from "./box.js";
import { epsilon, lrp0 } from "./epsilon.js";
import { flatRule } from "./flat.js";
import { gamma } from "./gamma.js";
import type { ClassicalRule } from "./rule.js";
import { wSquare } from "./w-square.js";

/** Which rule crosses which layer. */
export interface Composite {
  name: string;
  conv: ClassicalRule;
  dense: ClassicalRule;
  /** The layers that read the picture, where they have a rule of their own. */
  first?: { conv?: ClassicalRule; dense?: ClassicalRule };
}

const everywhere = (rule: ClassicalRule): Composite => ({ name: rule.name, conv: rule, dense: rule });

/** Classical methods by name; composites as zennit defines them. One line registers one. */
export const COMPOSITES: readonly Composite[] = [
  everywhere(lrp0),
  everywhere(epsilon),
  everywhere(gamma),
  everywhere(zPlus),
  everywhere(alpha1Beta0),
  everywhere(alpha2Beta1),
  everywhere(flatRule),
  everywhere(wSquare),
  { name: "epsilon-plus-flat", conv: zPlus, dense: epsilon, first: { conv: flatRule, dense: flatRule } },
  { name: "epsilon-gamma-box", conv: gamma, dense: epsilon, first: { conv: box } },
  { name: "epsilon-alpha2-beta1-flat", conv: alpha2Beta1, dense: epsilon, first: { conv: flatRule, dense: flatRule } },
];

export const compositeNamed = (name: string): Composite | undefined => COMPOSITES.find((c) => c.name === name);
