import type { SourceConfig } from "../config/schema.js";
import { learnSecrets, redact, redactWhole } from "../redact.js";
import type { SourceKind } from "./sources/kind.js";
import { sourceKind } from "./sources/registry.js";

/** What is known of a source from its configuration alone. */
export interface SourceSpec {
  config: SourceConfig;
  kind: SourceKind;
  baseDir: string;
  policy: "latest" | "every-frame";
  mask: (text: string) => string;
  /** Its name and address, credentials masked, for errors about it. */
  about: { source: string; subject: string };
}

/** Reads the configuration of a source. Throws an `InputError` for an address of no known kind. */
export function sourceSpec(config: SourceConfig, baseDir: string): SourceSpec {
  const kind = sourceKind(config.name, config.url, baseDir);
  learnSecrets(config);
  return {
    config,
    kind,
    baseDir,
    policy: config.policy ?? (kind.isLive ? "latest" : "every-frame"),
    mask: redact,
    about: { source: config.name, subject: redactWhole(config.url) },
  };
}
