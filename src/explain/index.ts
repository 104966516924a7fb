/**
 * `video-explainer` as a library: explains image classifiers by R-LRP (Relative Layer-Wise Relevance Propagation),
 * derived from the properties stated in the abstract of arXiv 2501.14322.
 */
import type { Network } from "./network/network.js";
import { DEFAULT_METHOD, type MethodOptions } from "./options.js";
import type { Program } from "./program/program.js";
import { type InputRange, tensorProgram } from "./programs/tensor.js";

export { ConfigError, InputError, ModelError, VideoExplainerError } from "../errors.js";
export type { EngineOptions, NumericTensor, Runner } from "./engines/engine.js";
export { ENGINES, engineNamed } from "./engines/registry.js";
export { toOnnx } from "./engines/serialise.js";
export type {
  ClassScore,
  Explainer,
  ExplainInput,
  Explanation,
  ModelInfo,
  Relevance,
  RelevanceRegion,
} from "./explanation.js";
export { type LoadedModel, loadModel, requirePreprocessing } from "./model/load.js";
export { canonicalise } from "./network/canonicalise.js";
export type { Layer, Network } from "./network/network.js";
export { importOnnx } from "./onnx/import.js";
export { DEFAULT_METHOD, type MethodOptions } from "./options.js";
export type { Preprocessing } from "./preprocessing.js";
export type { Operation, Program } from "./program/program.js";
export { framesProgram, type SummaryOptions } from "./programs/frames.js";
export { type InputRange, tensorProgram } from "./programs/tensor.js";
export { INPUT_RULES, METHODS } from "./rules/registry.js";
export { createExplainer } from "./runtime/explainer.js";
export type { ExplainerOptions } from "./runtime/explainer-options.js";

/**
 * Compiles a network into one static graph: the model's own input in; `logits`, `probabilities`, `target` and
 * `relevance` (dims of the input, Σ|R| = 1 a frame) out.
 * @throws ModelError naming the node and operator that cannot be explained
 */
export const compile = (network: Network, range: InputRange, options: Partial<MethodOptions> = {}): Program =>
  tensorProgram(network, { ...DEFAULT_METHOD, ...options }, range);
