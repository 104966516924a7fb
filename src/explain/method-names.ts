/** Names of the methods, default first. */
export const METHOD_NAMES = ["r-lrp", "r-lrp-constant", "r-lrp-absolute"] as const;
export type MethodName = (typeof METHOD_NAMES)[number];
