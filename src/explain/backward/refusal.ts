import { ModelError } from "../../errors.js";
import type { Layer } from "../network/network.js";

/** The refusal of a layer that no method but the gradient knows a way across. */
export const noRelevance = ({ kind, name, operator }: Layer): ModelError =>
  new ModelError(
    "model-unsupported",
    `node "${name}" (operator ${operator}) cannot be explained: ${
      kind === "softmax"
        ? "a softmax is known at the end of a classifier and in gates, and this one is neither; export the network without it"
        : "no rule says how relevance crosses it"
    }`,
  );
