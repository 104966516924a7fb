import { type ChangedConfig, changedConfig } from "../config/changed.js";
import type { Only } from "../config/choice.js";
import { unknownLabels } from "../config/choice-labels.js";
import { type Config, type SourceConfig, sinkName } from "../config/schema.js";
import { InputError, reasonOf } from "../errors.js";
import type { Logger } from "../log.js";
import type { Metrics } from "../metrics/metrics.js";
import type { Settings } from "./settings.js";
import type { Station } from "./station.js";

export interface ReloadParts {
  station: Station;
  settings: Settings;
  /** Which frames a sink takes, by its name. */
  only: Map<string, Only>;
  /** Ends a source for good, whoever has added it. */
  remove(name: string): Promise<unknown>;
  metrics: Pick<Metrics, "configReloaded">;
  log: Logger;
}

/** The configuration that a worker runs with, and what is done when its file has changed. */
export class RunningConfig {
  #reloading: Promise<void> = Promise.resolve();

  constructor(private running: Config) {}

  /** As the file says, but for what waits for the next start. */
  get current(): Config {
    return this.running;
  }

  /**
   * Reads the configuration anew and brings into force what differs, as far as that needs no restart; sources that stay as they were do
   * not notice. Where it cannot be read, or is wrong, nothing changes. Never rejects: what comes of it is logged.
   */
  reload(read: (running: Config) => Promise<Config>, parts: ReloadParts): Promise<void> {
    // One after the other: each begins from what the one before it left.
    this.#reloading = this.#reloading.then(() => this.#reload(read, parts));
    return this.#reloading;
  }

  async #reload(read: (running: Config) => Promise<Config>, parts: ReloadParts): Promise<void> {
    const { log, metrics } = parts;
    const before = this.running;
    let changed: ChangedConfig;
    try {
      const after = await read(before);
      changed = changedConfig(before, after);
      const { running } = changed;
      const [unknown] = unknownLabels(running, parts.settings.current.explainer.model.labels);
      if (unknown) throw new InputError("label", unknown.text);
      // First, as it may be refused.
      await parts.settings.reload(before, running);
    } catch (error) {
      for (const line of reasonOf(error).split("\n")) log.error(`the new configuration is not taken: ${line}`);
      log.warn("configuration not reloaded: the one before stays in force as a whole");
      return metrics.configReloaded(false);
    }
    for (const sink of changed.running.sinks) {
      if (sink.only === undefined) parts.only.delete(sinkName(sink));
      else parts.only.set(sinkName(sink), sink.only);
    }
    const failed = await changeSources(changed.sources, parts);
    this.running = { ...changed.running, sources: changed.running.sources.filter(({ name }) => !failed.has(name)) };
    for (const [name, why] of failed) log.error(`source ${name} could not be changed: ${why}`);
    log.info(`configuration reloaded: ${sentence(changed)}`);
    const { restart } = changed;
    if (restart.length > 0) {
      const [verb, its] = restart.length === 1 ? ["keeps", "its value"] : ["keep", "their values"];
      log.warn(`${restart.join(", ")} ${verb} ${its} until the worker is restarted; the rest of the file is in force`);
    }
    metrics.configReloaded(failed.size === 0);
  }
}

/** Each beside the others; resolves to those that could not be changed, with the reason. */
async function changeSources(
  { added, changed, removed }: ChangedConfig["sources"],
  { station, remove }: ReloadParts,
): Promise<Map<string, string>> {
  const failed = new Map<string, string>();
  const isThere = (name: string): boolean => station.sourceConfigs.some((source) => source.name === name);
  const change = async (name: string, config: SourceConfig | undefined): Promise<void> => {
    try {
      // A request may have removed it meanwhile, or added one of this name.
      if (isThere(name)) await remove(name);
      if (config !== undefined) station.add(config, { isConfigured: true });
    } catch (error) {
      failed.set(name, reasonOf(error));
    }
  };
  await Promise.all([
    ...removed.map((name) => change(name, undefined)),
    ...[...changed, ...added].map((source) => change(source.name, source)),
  ]);
  return failed;
}

function sentence({ sources: { added, changed, removed }, keys }: ChangedConfig): string {
  const named = (what: string, names: readonly string[]): string[] =>
    names.length === 0 ? [] : [`${what} ${names.join(", ")}`];
  const nameOf = ({ name }: SourceConfig): string => name;
  const parts = [
    ...named("sources added:", added.map(nameOf)),
    ...named("sources changed:", changed.map(nameOf)),
    ...named("sources removed:", removed),
    ...named("set anew:", keys),
  ];
  return parts.length === 0 ? "nothing in it has changed that can be changed while it runs" : parts.join("; ");
}
