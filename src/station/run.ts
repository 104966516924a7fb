import path from "node:path";
import type { LoadedConfig } from "../config/load.js";
import { describeEngine } from "../explain/engines/registry.js";
import { createExplainer } from "../explain/explainer.js";
import type { Logger } from "../log.js";
import { createMetrics } from "../metrics/metrics.js";
import { type MetricsServer, startMetricsServer } from "../metrics/server.js";
import { createOverlayRenderer } from "../overlay/renderer.js";
import { createSink } from "../sinks/registry.js";
import type { Sink } from "../sinks/sink.js";
import { Station, type StationEnd } from "./station.js";

/** A NATS round trip must have succeeded within the last seconds. */
const VERIFY_MS = 1500;

export interface RunHandle {
  /** Resolves when every source is over or `stop` was called, and everything is flushed and closed. */
  ended: Promise<StationEnd>;
  stop(): Promise<void>;
  metricsUrl: string;
}

/** Starts the worker of a configuration: model, sinks, sources, metrics. Rejects before any source is opened when one part cannot start. */
export async function startStation(
  { config, baseDir }: Pick<LoadedConfig, "config" | "baseDir">,
  log: Logger,
): Promise<RunHandle> {
  const metrics = createMetrics();
  const explainer = await createExplainer({
    ...config.explain,
    model: path.resolve(baseDir, config.model.path),
    engine: config.engine.kind,
    device: config.engine.device,
    threads: config.engine.threads,
    cache: /^(auto|off)$/.test(config.engine.cache) ? config.engine.cache : path.resolve(baseDir, config.engine.cache),
  });
  for (const note of explainer.notes ?? []) log.warn(note);
  log.info(
    `model ${explainer.model.name} is warm on ${describeEngine({ name: explainer.engine, passed: explainer.passed })}`,
  );
  const renderer = createOverlayRenderer();
  const sinks: Sink[] = [];
  let server: MetricsServer | undefined;
  const closeAll = async (): Promise<void> => {
    await renderer.close();
    await explainer.close();
    await server?.close();
  };
  try {
    for (const sinkConfig of config.sinks) {
      const name = sinkConfig.kind;
      const sink = createSink(sinkConfig, {
        station: config.station,
        baseDir,
        log,
        events: {
          onPublished: (kind) => metrics.published(name, kind),
          onError: () => metrics.publishError(name),
          onDropped: (kind, reason) => metrics.publishDropped(name, kind, reason),
          onConnected: (connected) => metrics.sinkConnected(name, connected),
        },
      });
      metrics.addSink(name);
      await sink.connect();
      sinks.push(sink);
    }
    server = await startMetricsServer({
      ...config.metrics,
      metrics,
      readiness: [
        {
          name: "model",
          check: async () => ({ ok: explainer.alive, reason: explainer.alive ? undefined : "the engine has died" }),
        },
        ...sinks.map((sink) => ({
          name: sink.name,
          check: async () =>
            (await sink.verify(VERIFY_MS))
              ? { ok: true }
              : { ok: false, reason: sink.status().reason ?? `${sink.name} does not answer` },
        })),
      ],
      liveness: () =>
        explainer.alive ? { ok: true } : { ok: false, reason: "a thread of the engine has died; restart the worker" },
    });
  } catch (error) {
    await Promise.allSettled(sinks.map((sink) => sink.close(0)));
    await closeAll();
    throw error;
  }
  const station = new Station({ config, baseDir, explainer, renderer, sinks, metrics, log });
  const ended = station.run().finally(closeAll);
  return { ended, stop: () => station.stop(), metricsUrl: server.url };
}
