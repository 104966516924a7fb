import type { Network } from "../network/network.js";
import { classesOf } from "../network/network.js";
import type { MethodOptions } from "../options.js";
import type { Preprocessing } from "../preprocessing.js";
import { emitBounds } from "../program/bounds.js";
import { Emitter } from "../program/emitter.js";
import type { Program } from "../program/program.js";
import { emitInputRelevance, emitScores, emitShares, givesShares, isSmooth } from "./explanation.js";
import { emitPictures } from "./pictures.js";

/** Values of the model's input for pixel 0 and 255: one each, or one a channel. */
export interface InputRange {
  low: readonly number[];
  high: readonly number[];
  /** Axis of the input that holds the channels. */
  channelAxis: number;
}

/**
 * The model's own input in, explanation out. Input: `input`, float32 with the model's dims, or with `pictures`, which says how
 * they become that, `frames`, uint8 `[N, height, width, 3]` RGB. Outputs: `logits` and
 * `probabilities` `[N, classes]`, `target` int64 `[N]`, `relevance` with the input's dims, Σ|R| = 1 a frame
 * for R-LRP and as it comes for classical methods.
 */
export function tensorProgram(
  network: Network,
  options: MethodOptions,
  range: InputRange,
  pictures?: Preprocessing,
): Program {
  const e = new Emitter();
  const dims = network.shapes.get(network.input)!;
  const input = pictures ? emitPictures(e, pictures, network) : e.input("input", "float32", dims);
  const { scope, scores } = emitScores(e, network, input, options.target);
  const bounds = emitBounds(e, range.low, range.high, dims.length, range.channelAxis);
  const map = emitInputRelevance(scope, scores, options, bounds);
  const classes = classesOf(network);
  e.output(scores.logits, "logits", "float32", [-1, classes]);
  e.output(scores.probabilities, "probabilities", "float32", [-1, classes]);
  e.output(scores.target, "target", "int64", [-1]);
  const relevance = givesShares(options.method) ? emitShares(e, map, dims.length).shares : map;
  e.output(relevance, "relevance", "float32", dims);
  return e.finish(isSmooth(options.method));
}
