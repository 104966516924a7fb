import type { PairLayer } from "../network/network.js";
import type { Opaque } from "./layer.js";
import { tensorValue } from "./scope.js";

/** What is left of them is part of a gate or a statistic: relevance crosses none. */
export const pair: Opaque<PairLayer> = {
  family: "opaque",
  forward: (scope, { op, inputs }) =>
    scope.e.op(
      op,
      inputs.map((id) => tensorValue(scope, id)),
    ),
};
