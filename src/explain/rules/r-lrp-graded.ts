import { rLrpLocal } from "./r-lrp-local.js";
import type { LinearRule } from "./rule.js";

/**
 * `r-lrp-local`, where a layer passes on as much of what speaks against as the share of the picture that it sees: small details
 * cannot be vetoed by one contrary edge, whole objects can.
 */
export const rLrpGraded: LinearRule = { ...rLrpLocal, name: "r-lrp-graded", opposition: (seen) => seen };
