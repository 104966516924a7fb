import type { InputRuleName, MethodName, StartName } from "./method-names.js";

/** What to explain, and how. Same names as in the configuration. */
export interface MethodOptions {
  method: MethodName;
  inputRule: InputRuleName;
  start: StartName;
  /** The top class of each frame, or always this index. */
  target: "top" | number;
}

export const DEFAULT_METHOD: MethodOptions = { method: "r-lrp", inputRule: "bounded", start: "one-hot", target: "top" };
