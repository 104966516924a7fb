import type { NatsSinkConfig, SinkConfig, ViewerSinkConfig } from "./schema.js";

/** The nats sink whose stream fills the strips of a viewer; undefined where there is none of that name with JetStream. */
export const historySink = (
  history: NonNullable<ViewerSinkConfig["history"]>,
  sinks: readonly SinkConfig[],
): NatsSinkConfig | undefined =>
  sinks.find(
    (sink): sink is NatsSinkConfig =>
      sink.kind === "nats" &&
      sink.jetstream &&
      (history.sink === undefined || (sink.name ?? sink.kind) === history.sink),
  );
