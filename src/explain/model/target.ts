import { InputError } from "../../errors.js";
import type { MethodOptions, TargetName } from "../options.js";
import type { LoadedModel } from "./load.js";

/**
 * Options with the index of the class that they name by its label.
 * @throws InputError where no class has it, or several have
 */
export function withTarget<O extends { target: TargetName }>(
  options: O,
  { info: { name, labels } }: { info: Pick<LoadedModel["info"], "name" | "labels"> },
): O & Pick<MethodOptions, "target"> {
  const { target } = options;
  if (target === "top" || typeof target === "number") return { ...options, target };
  const found = labels.flatMap((label, k) => (label === target ? [k] : []));
  const [index] = found;
  if (index === undefined)
    throw new InputError(
      "target",
      `target class "${target}" is no label of ${name}; give one of its labels, or the index of a class`,
    );
  if (found.length > 1)
    throw new InputError(
      "target",
      `target class "${target}" is the label of ${found.length} classes of ${name} (${found.slice(0, 5).join(", ")}); give the index of one`,
    );
  return { ...options, target: index };
}
