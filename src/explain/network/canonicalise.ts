import { cancelTransposes } from "./cancel-transposes.js";
import { foldScales } from "./fold-scales.js";
import type { Network } from "./network.js";
import { recogniseActivations } from "./recognise-activations.js";
import { recogniseNorms } from "./recognise-norms.js";
import { recogniseProducts } from "./recognise-products.js";
import { refuseParts } from "./refuse-parts.js";
import { restoreRoundings, takeRoundings, writeCutsAtZero } from "./roundings.js";
import { stripFinal } from "./strip-final.js";

/** The transforms that bring any imported network to the form that rules are written for, in order. Each is pure. */
const TRANSFORMS: readonly ((network: Network) => Network)[] = [
  writeCutsAtZero,
  stripFinal,
  cancelTransposes,
  takeRoundings,
  recogniseNorms,
  recogniseActivations,
  recogniseProducts,
  refuseParts,
  restoreRoundings,
  foldScales,
];

/**
 * Canonical form: no final softmax or sigmoid, spelled-out activations and norms as one layer, products told apart, constant
 * scales folded into the linear layer that they follow. Logits stay what they were.
 */
export const canonicalise = (network: Network): Network => TRANSFORMS.reduce((n, transform) => transform(n), network);
