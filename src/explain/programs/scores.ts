import { classesOf, type Network } from "../network/network.js";
import type { Preprocessing } from "../preprocessing.js";
import { Emitter } from "../program/emitter.js";
import type { Program } from "../program/program.js";
import { emitScores } from "./explanation.js";
import { emitPictures } from "./pictures.js";

/**
 * Input: `frames` uint8 `[N, H, W, 3]` RGB. Outputs: `probabilities` `[N, classes]`, and `top` `[N]`, the class of the largest logit:
 * probabilities of sigmoids that are sure of several classes are all 1 in float32.
 */
export function scoresProgram(network: Network, pictures: Preprocessing): Program {
  const e = new Emitter();
  const { scores } = emitScores(e, network, emitPictures(e, pictures, network), "top");
  e.output(scores.probabilities, "probabilities", "float32", [-1, classesOf(network)]);
  e.output(e.cast(scores.target, "float32"), "top", "float32", [-1]);
  return e.finish(true);
}
