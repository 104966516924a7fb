import type { ActivationLayer } from "../network/network.js";
import { activationGradient } from "./activation-gradient.js";
import { activationSteps } from "./activation-steps.js";
import type { OneToOne } from "./layer.js";

/** Counts as rising everywhere. */
export const activation: OneToOne<ActivationLayer> = {
  family: "one-to-one",
  forward: (scope, layer) => activationSteps(scope, layer).at(-1)!,
  gradient: (scope, layer, g) => [activationGradient(scope, layer, g)],
};
