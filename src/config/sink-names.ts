import type { SinkConfig } from "./schema.js";

/** Gives each sink without a name its kind for one, with a number where that is taken: `nats`, `nats-2`. */
export function withNames(sinks: readonly SinkConfig[]): SinkConfig[] {
  const taken = new Set(sinks.map(({ name }) => name));
  return sinks.map((sink) => {
    if (sink.name !== undefined) return sink;
    let name: string = sink.kind;
    for (let n = 2; taken.has(name); n++) name = `${sink.kind}-${n}`;
    taken.add(name);
    // The keys in the order of the schema, as they are printed.
    return Object.assign({ kind: sink.kind, name }, sink);
  });
}
