/** Sources, batches and the ledger: everything between a camera and the explainer. */

export { ShortageError } from "../ffmpeg/shortage.js";
export { type Batch, type Batcher, type BatcherOptions, createBatcher } from "./batcher.js";
export { checkSource } from "./check.js";
export { type Claim, claimOf, FrameBudget } from "./frame-budget.js";
export { Ledger } from "./ledger.js";
export { openSource, type SourceOptions, slabsOf, type VideoSource } from "./source.js";
export type { SourceState } from "./source-state.js";
export { SOURCE_KINDS } from "./sources/registry.js";
export type { Timing } from "./timing.js";
