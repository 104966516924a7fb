import { isDeepStrictEqual } from "node:util";
import { type Config, type SinkConfig, type SourceConfig, sinkName } from "./schema.js";

/** What one configuration has otherwise than the one before it, by what becomes of it. */
export interface ChangedConfig {
  sources: { added: SourceConfig[]; changed: SourceConfig[]; removed: string[] };
  /** Dotted keys that are changed in a running worker, sources aside. */
  keys: string[];
  /** Dotted keys that keep their value until the next start. */
  restart: string[];
  /** The one after, but for what keeps its value. */
  running: Config;
}

/** Parts of a configuration that can be changed as a whole while it runs. */
const LIVE = ["explain", "overlay", "warnings", "control"] as const;
const isLive = (key: string): boolean => LIVE.some((live) => live === key);

export function changedConfig(before: Config, after: Config): ChangedConfig {
  const { sources: from, sinks: sinksFrom, ...restFrom } = before;
  const { sources: to, sinks: sinksTo, ...restTo } = after;
  const known = new Map(from.map((source) => [source.name, source]));
  const names = new Set(to.map(({ name }) => name));
  const sinks = changedSinks(sinksFrom, sinksTo);
  const rest = differences(restFrom, restTo);
  const isOf = (key: string): boolean => isLive(key.split(".")[0]!);
  return {
    sources: {
      added: to.filter(({ name }) => !known.has(name)),
      changed: to.filter((source) => {
        const old = known.get(source.name);
        return old !== undefined && !isDeepStrictEqual(old, source);
      }),
      removed: from.map(({ name }) => name).filter((name) => !names.has(name)),
    },
    keys: [...rest.filter(isOf), ...sinks.filters],
    restart: [...rest.filter((key) => !isOf(key)), ...sinks.restart],
    running: {
      ...before,
      ...Object.fromEntries(LIVE.map((key) => [key, after[key]])),
      sources: to,
      sinks: sinks.running,
    },
  };
}

/** Sinks are the same by name; of one that stays its `only` can be changed. */
function changedSinks(before: readonly SinkConfig[], after: readonly SinkConfig[]) {
  const next = new Map(after.map((sink) => [sinkName(sink), sink]));
  const filters: string[] = [];
  const restart: string[] = [];
  const running = before.map((sink): SinkConfig => {
    const name = sinkName(sink);
    const other = next.get(name);
    next.delete(name);
    if (other?.kind !== sink.kind) {
      restart.push(`sinks.${name}`);
      return sink;
    }
    const keys = differences(sink, other);
    const isFilter = (key: string): boolean => /^only(?:\.|$)/.test(key);
    filters.push(...keys.filter(isFilter).map((key) => `sinks.${name}.${key}`));
    restart.push(...keys.filter((key) => !isFilter(key)).map((key) => `sinks.${name}.${key}`));
    return { ...sink, only: other.only };
  });
  return { filters, restart: [...restart, ...[...next.keys()].map((name) => `sinks.${name}`)], running };
}

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Dotted keys whose values differ; lists are compared as wholes. */
function differences(before: Fields, after: Fields): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) => {
    const [old, now] = [before[key], after[key]];
    if (isDeepStrictEqual(old, now)) return [];
    if (isFields(old) && isFields(now)) return differences(old, now).map((deeper) => `${key}.${deeper}`);
    return [key];
  });
}

/** `running`, with those keys as in `after` that differ between `before` and `after`: what a request has changed stays. */
export function rebased<T extends object>(running: T, before: T, after: T): T {
  const now = fieldsOf(after);
  const changed = new Set(differences(fieldsOf(before), now).map((key) => key.split(".")[0]!));
  return { ...running, ...Object.fromEntries([...changed].map((key) => [key, now[key]])) };
}

const fieldsOf = (object: object): Fields => ({ ...object });
