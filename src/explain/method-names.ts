/** Names of the R-LRP methods, default first. */
export const R_LRP_NAMES = ["r-lrp-graded", "r-lrp-local", "r-lrp", "r-lrp-constant", "r-lrp-absolute"] as const;
/** Classical rules and composites, for side-by-side comparison. */
export const CLASSICAL_NAMES = [
  "lrp-0",
  "epsilon",
  "gamma",
  "z-plus",
  "alpha1-beta0",
  "alpha2-beta1",
  "flat",
  "w-square",
  "epsilon-plus-flat",
  "epsilon-gamma-box",
  "epsilon-alpha2-beta1-flat",
] as const;
export const GRADIENT_NAMES = ["gradient-x-input"] as const;
export const METHOD_NAMES = [...R_LRP_NAMES, ...CLASSICAL_NAMES, ...GRADIENT_NAMES] as const;
export type MethodName = (typeof METHOD_NAMES)[number];

/** Rules for the layer that reads the picture. */
export const INPUT_RULE_NAMES = ["box", "bounded", "contribution", "flat"] as const;
export type InputRuleName = (typeof INPUT_RULE_NAMES)[number];

/** What the way back starts with. */
export const START_NAMES = ["rivals", "one-hot", "contrast"] as const;
export type StartName = (typeof START_NAMES)[number];
