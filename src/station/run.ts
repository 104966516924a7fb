import path from "node:path";
import type { LoadedConfig } from "../config/load.js";
import type { Config } from "../config/schema.js";
import type { Control } from "../control/control.js";
import { serveOn } from "../control/nats-service.js";
import { describeEngine } from "../explain/engines/registry.js";
import { createExplainer } from "../explain/explainer.js";
import type { Logger } from "../log.js";
import { createMetrics } from "../metrics/metrics.js";
import { type MetricsServer, startMetricsServer } from "../metrics/server.js";
import { createOverlayRenderer } from "../overlay/renderer.js";
import { createSink } from "../sinks/registry.js";
import type { Sink } from "../sinks/sink.js";
import { Station, type StationEnd } from "./station.js";
import { StationControl } from "./station-control.js";

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
  const { cache } = config.engine;
  const explainerOf = (explain: Config["explain"]) =>
    createExplainer({
      ...explain,
      model: path.resolve(baseDir, config.model.path),
      engine: config.engine.kind,
      device: config.engine.device,
      threads: config.engine.threads,
      cache: /^(auto|off)$/.test(cache) ? cache : path.resolve(baseDir, cache),
    });
  const explainer = await explainerOf(config.explain);
  for (const note of explainer.notes ?? []) log.warn(note);
  log.info(
    `model ${explainer.model.name} is warm on ${describeEngine({ name: explainer.engine, passed: explainer.passed })}`,
  );
  const renderer = createOverlayRenderer();
  const sinks: Sink[] = [];
  let server: MetricsServer | undefined;
  let station: Station | undefined;
  let control: StationControl | undefined;
  /** The one that is in use: a change of the method brings another. */
  const current = () => station?.settings.explainer ?? explainer;
  const engineCheck = () => {
    const { fault } = current();
    return fault === undefined ? { ok: true } : { ok: false, reason: `${fault}; restart the worker` };
  };
  const closeAll = async (): Promise<void> => {
    await control?.close();
    await renderer.close();
    await current().close();
    await server?.close();
  };
  let beginService: (control: Control) => void = () => {};
  const served = new Promise<Control>((resolve) => {
    beginService = resolve;
  });
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
        // Connections come before the station that answers on them.
        serve: async (nc, groups) =>
          serveOn(nc, { control: await served, groups, log, onAnswered: (...answer) => metrics.request(...answer) }),
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
          check: async () => engineCheck(),
        },
        ...sinks.map((sink) => ({
          name: sink.name,
          check: async () =>
            (await sink.verify(VERIFY_MS))
              ? { ok: true }
              : { ok: false, reason: sink.status().reason ?? `${sink.name} does not answer` },
        })),
      ],
      liveness: engineCheck,
    });
  } catch (error) {
    await Promise.allSettled(sinks.map((sink) => sink.close(0)));
    await closeAll();
    throw error;
  }
  station = new Station({ config, baseDir, explainer, renderer, sinks, metrics, log });
  const running = station;
  control = new StationControl({ station, config, baseDir, renderer, log, createExplainer: explainerOf });
  beginService(control);
  const ended = running.run().finally(closeAll);
  return { ended, stop: () => running.stop(), metricsUrl: server.url };
}
