import { classesOf, type Network } from "../network/network.js";
import type { Preprocessing } from "../preprocessing.js";
import { Emitter } from "../program/emitter.js";
import type { Program } from "../program/program.js";
import { emitScores } from "./explanation.js";
import { emitPictures } from "./pictures.js";

/** Input: `frames` uint8 `[N, H, W, 3]` RGB. Output: `probabilities` `[N, classes]`. */
export function scoresProgram(network: Network, pictures: Preprocessing): Program {
  const e = new Emitter();
  const { scores } = emitScores(e, network, emitPictures(e, pictures, network), "top");
  e.output(scores.probabilities, "probabilities", "float32", [-1, classesOf(network)]);
  return e.finish(true);
}
