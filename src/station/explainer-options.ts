import path from "node:path";
import { type Config, configSchema } from "../config/schema.js";
import type { ExplainerOptions } from "../explain/runtime/explainer-options.js";

/** The parts of a configuration that make an explainer; any engine's name will do. */
export interface ExplainerConfig {
  model: Config["model"];
  explain: Config["explain"];
  engine: Omit<Config["engine"], "kind" | "maxBatch" | "maxWaitMs"> & { kind: string };
}

/** As a configuration that says nothing of it. */
export const defaultEngine = (): Config["engine"] => configSchema.shape.engine.parse(undefined);

/** Whether frames will be only classified, some or all at first. */
export const needsClassifier = ({ every, when }: Pick<Config["explain"], "every" | "when">): boolean =>
  every > 1 || when !== null;

/** An explainer's options as they are configured. Relative paths start from `baseDir`; without it they stay as they are. */
export function explainerOptions({ model, explain, engine }: ExplainerConfig, baseDir?: string): ExplainerOptions {
  const from = (given: string): string => (baseDir === undefined ? given : path.resolve(baseDir, given));
  const { kind, device, threads, precision, cache, cacheBytes } = engine;
  const { every, when, ...how } = explain;
  return {
    ...how,
    classifier: needsClassifier({ every, when }),
    ...{ engine: kind, device, threads, precision },
    model: from(model.path),
    output: model.output,
    cache: cache === "auto" || cache === "off" ? cache : from(cache),
    cacheBytes,
  };
}
