/** Sources, batches and the ledger: everything between a camera and the explainer. */

export { ShortageError } from "../ffmpeg/shortage.js";
export { type FfmpegVersion, ffmpegVersion } from "../ffmpeg/version.js";
export type { Fit } from "../fit.js";
export type { ModelView } from "../frame.js";
export {
  type Frame,
  type FrameLayout,
  frameBytes,
  frameLayout,
  type Placement,
  placement,
  type Rect,
} from "../frame.js";
export { DROP_REASONS, type DropReason, type LedgerSnapshot } from "../messages/ledger.js";
export type { SourceStateName } from "../messages/summary.js";
export { type Batch, type Batcher, type BatcherOptions, createBatcher } from "./batcher.js";
export { checkSource } from "./check.js";
export { type Claim, claimOf, FrameBudget } from "./frame-budget.js";
export { Ledger, type LedgerEvent, type LedgerObserver } from "./ledger.js";
export { openSource, type RestartReason, type SourceOptions, slabsOf, type VideoSource } from "./source.js";
export type { SourceState } from "./source-state.js";
export { SOURCE_KINDS } from "./sources/registry.js";
export { TIMING, type Timing } from "./timing.js";
