import type { NatsConnection } from "nats";
import type { NatsSinkConfig, SinkConfig } from "../config/schema.js";
import { VideoExplainerError } from "../errors.js";
import { createFilesSink } from "./files.js";
import { createNatsSink } from "./nats/index.js";
import type { Sink, SinkEvents } from "./sink.js";
import { createStdoutSink } from "./stdout.js";
import { createViewerSink } from "./viewer/index.js";

export { headersFor, messageId, subjectFor } from "../messages/headers.js";

/** The part of a logger that sinks use; `fields` are merged into the log line. */
export interface SinkLog {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** What a sink is given besides its own configuration. */
export interface SinkContext {
  station: string;
  events: SinkEvents;
  log: SinkLog;
  /** Folder that relative paths of the configuration start from. */
  baseDir: string;
  /** Answers requests on a new connection to NATS, as long as it lasts; rejects when the server does not let it. */
  serve?(nc: NatsConnection, config: Pick<NatsSinkConfig, "service" | "inboxPrefixes">): Promise<void>;
}

type SinkKind = SinkConfig["kind"];
type SinkFactories = {
  [Kind in SinkKind]: (config: Extract<SinkConfig, { kind: Kind }>, context: SinkContext) => Sink;
};

/** One line registers a sink kind. */
const SINKS: SinkFactories = {
  nats: createNatsSink,
  viewer: createViewerSink,
  files: createFilesSink,
  stdout: createStdoutSink,
};

/** The sink of a configuration entry; nothing is opened before its `connect`. */
export function createSink(config: SinkConfig, context: SinkContext): Sink {
  const create = SINKS[config.kind] as ((config: SinkConfig, context: SinkContext) => Sink) | undefined;
  if (!create) {
    const known = Object.keys(SINKS).join(", ");
    throw new VideoExplainerError("sink", `sink kind "${config.kind}" is not known; use one of ${known}`);
  }
  return create(config, context);
}
