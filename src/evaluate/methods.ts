import { InputError } from "../errors.js";
import {
  CLASSICAL_NAMES,
  GRADIENT_NAMES,
  INPUT_RULE_NAMES,
  type InputRuleName,
  METHOD_NAMES,
  type MethodName,
  R_LRP_NAMES,
  START_NAMES,
  type StartName,
} from "../explain/method-names.js";

/** Methods that are here for comparison alone. */
export const BASELINE_NAMES = ["integrated-gradients", "grad-cam", "random"] as const;
export type BaselineName = (typeof BASELINE_NAMES)[number];

/** A method as it is evaluated. */
export interface EvaluatedMethod {
  /** As it was spelled. */
  name: string;
  what: { method: MethodName; start?: StartName; inputRule?: InputRuleName } | { baseline: BaselineName };
}

/** Names that stand for several methods. */
const SETS: Record<string, readonly string[]> = {
  "r-lrp-all": R_LRP_NAMES,
  "classical-all": [...CLASSICAL_NAMES, ...GRADIENT_NAMES],
  "baselines-all": BASELINE_NAMES,
  all: [...METHOD_NAMES, ...BASELINE_NAMES],
};
export const METHOD_SETS = Object.keys(SETS);

const OPTIONS = { start: START_NAMES, inputRule: INPUT_RULE_NAMES } as const;

const isOneOf = <T extends string>(names: readonly T[], text: string): text is T =>
  (names as readonly string[]).includes(text);

/** Reads `a,b:start=rivals:inputRule=box,…`, each method once. @throws InputError where one is not known */
export function readMethods(text: string): EvaluatedMethod[] {
  const words = text
    .split(",")
    .map((word) => word.trim())
    .flatMap((word) => (Object.hasOwn(SETS, word) ? SETS[word]! : [word]));
  return [...new Set(words)].map(readMethod);
}

function readMethod(word: string): EvaluatedMethod {
  const [name, ...settings] = word.split(":") as [string, ...string[]];
  if (isOneOf(BASELINE_NAMES, name)) {
    if (settings.length > 0) throw refusal(`method "${name}" has no options, and "${word}" gives one`);
    return { name: word, what: { baseline: name } };
  }
  if (!isOneOf(METHOD_NAMES, name))
    throw refusal(
      `method "${name}" is not known; known are ${[...METHOD_NAMES, ...BASELINE_NAMES].join(", ")}, and for several ${METHOD_SETS.join(", ")}`,
    );
  const what: EvaluatedMethod["what"] = { method: name };
  for (const setting of settings) {
    const [key, value = ""] = setting.split("=") as [string, string?];
    if (key === "start" && isOneOf(START_NAMES, value)) what.start = value;
    else if (key === "inputRule" && isOneOf(INPUT_RULE_NAMES, value)) what.inputRule = value;
    else throw refusal(`"${setting}" of method "${word}" is not known; give ${SPELLING}`);
  }
  if (what.inputRule !== undefined && !isOneOf(R_LRP_NAMES, name))
    throw refusal(`method "${name}" has a rule of its own for the picture; leave inputRule out of "${word}"`);
  return { name: word, what };
}

const SPELLING = Object.entries(OPTIONS)
  .map(([key, names]) => `${key}= and one of ${names.join(", ")}`)
  .join(", or ");

const refusal = (reason: string): InputError => new InputError("range", reason);
