import { ModelError } from "../../errors.js";
import type { InputFacts } from "./facts.js";
import type { Picture } from "./picture.js";
import type { Said } from "./settle.js";

/** An input of whole numbers is of pixels as they are, where nobody says anything else; of int8 from −128 on. */
export const ofPixels = (inputType: string, { mean, std, ...input }: InputFacts): InputFacts => ({
  ...input,
  mean: mean ?? [inputType === "int8" ? 128 : 0],
  std: std ?? [1],
});

/** Files beside a model scale pixels for one in float32; one that takes whole numbers does so itself, if the user does not say otherwise. */
export const unscaled = (place: Said): Said =>
  place.isUsers ? place : { ...place, input: { ...place.input, mean: undefined, std: undefined } };

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
