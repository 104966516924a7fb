import type { SinkConfig } from "../config/schema.js";
import { VideoExplainerError } from "../errors.js";
import { createFilesSink } from "./files.js";
import { createNatsSink } from "./nats/index.js";
import type { Sink, SinkContext } from "./sink.js";
import { createStdoutSink } from "./stdout.js";
import { createStreamSink } from "./stream/index.js";
import { createViewerSink } from "./viewer/index.js";

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
  stream: createStreamSink,
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
