import type { InputRuleName, MethodName, StartName } from "./method-names.js";

/** What to explain, and how. Same names as in the configuration. */
export interface MethodOptions {
  method: MethodName;
  /** Default: the method's own, as is that of `start`. */
  inputRule?: InputRuleName;
  start?: StartName;
  /** The top class of each frame, or always this index. */
  target: "top" | number;
}

/** The class to explain, as people say it: the top one, an index, or a label. */
export type TargetName = MethodOptions["target"] | string;
/** Options whose class may still be a label. */
export type NamedOptions = Omit<MethodOptions, "target"> & { target: TargetName };

type Own = Required<Pick<MethodOptions, "inputRule" | "start">>;

/** What these methods start with and read the picture by; for all others it is `OTHERS`. */
const OWN: Partial<Record<MethodName, Own>> = {
  "r-lrp-graded": { inputRule: "box", start: "rivals" },
  "r-lrp-local": { inputRule: "box", start: "rivals" },
};
const OTHERS: Own = { inputRule: "bounded", start: "one-hot" };

/** The same options with the method's own input rule and start where none is given. */
export function completed<O extends NamedOptions>(options: O): O & Own {
  const own = OWN[options.method] ?? OTHERS;
  return { ...options, inputRule: options.inputRule ?? own.inputRule, start: options.start ?? own.start };
}

export const DEFAULT_METHOD: MethodOptions = { method: "r-lrp-graded", target: "top" };
