import { type LoadedModel, ofModel, requirePreprocessing } from "../model/load.js";
import type { MethodOptions } from "../options.js";
import { framesProgram, type SummaryOptions } from "./frames.js";
import { tensorProgram } from "./tensor.js";

/**
 * Asks of a model what explaining pictures with it asks, short of running it.
 * @throws ModelError or InputError, the same that explaining it would
 */
export function requireExplainable(model: LoadedModel, options: MethodOptions & SummaryOptions): void {
  const preprocessing = requirePreprocessing(model);
  ofModel(model, () => framesProgram(model.network, options, preprocessing, options, false));
}

/** The same of tensors, which need no card. */
export function requireExplainableTensor(model: LoadedModel, options: MethodOptions): void {
  const { channelAxis } = model;
  ofModel(model, () => tensorProgram(model.network, options, { low: [0], high: [1], channelAxis }));
}
