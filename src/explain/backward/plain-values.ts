import type { Scope } from "../layers/scope.js";
import type { Value } from "../program/emitter.js";
import type { Method } from "./walk.js";

/** What methods do whose messages are values with the dims of their tensor, and no more. */
export const plainValues = ({ e }: Scope): Pick<Method<Value>, "sum" | "reindex"> => ({
  sum: (_, arrived) => arrived.reduce(e.add),
  reindex: (_, parts, back) => back(parts),
});
