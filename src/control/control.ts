import type { Config, SourceConfig } from "../config/schema.js";
import type { LedgerSnapshot } from "../messages/ledger.js";
import type { SourceStatus, Summary } from "../messages/summary.js";
import type { Changes } from "./changes.js";

/** A picture that was explained on request. */
export interface ExplainedPicture {
  summary: Summary;
  /** JPEG of the whole picture with its heat. */
  overlay: Uint8Array;
  /** 8-bit grey PNG at the model's resolution, 128 = zero. */
  heatmap: Uint8Array;
}

/**
 * What may be asked of a running station. Everything rejects with a `VideoExplainerError` of one sentence, an
 * `InputError` where the asker is wrong.
 */
export interface Control {
  readonly station: string;
  explain(picture: Uint8Array): Promise<ExplainedPicture>;
  sources(): { sources: SourceStatus[]; total: LedgerSnapshot };
  addSource(config: SourceConfig): Promise<SourceStatus>;
  removeSource(name: string): Promise<SourceStatus>;
  /** The configuration as it is now; it may hold credentials. */
  config(): Config;
  /** Resolves to the new configuration once it is in force. */
  change(changes: Changes): Promise<Config>;
}
