import { ModelError } from "../../errors.js";
import type { InputFacts } from "./facts.js";
import type { Picture } from "./picture.js";

/** An input of whole numbers is of pixels as they are, where nobody says anything else; of int8 from −128 on. */
export const ofPixels = (inputType: string, { mean, std, ...input }: InputFacts): InputFacts => ({
  ...input,
  mean: mean ?? [inputType === "int8" ? 128 : 0],
  std: std ?? [1],
});

/** @throws ModelError where a scaling of pixels gives an input of whole numbers something else */
export function refuseFractions({ preprocessing }: Picture, inputType: string, where: string): void {
  if (!preprocessing) return;
  const { mean, std } = preprocessing;
  if (mean.every(Number.isInteger) && std.every((v) => v === 1)) return;
  throw new ModelError(
    "model-card",
    `${where}: input.mean [${mean.join(", ")}] and input.std [${std.join(", ")}] make no whole numbers of pixels, and the model takes ${inputType}; leave them out where it takes pixels as they are`,
  );
}
