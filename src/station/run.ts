import { totalmem } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { LoadedConfig } from "../config/load.js";
import type { Config } from "../config/schema.js";
import type { Control } from "../control/control.js";
import { serveOn } from "../control/nats-service.js";
import { VideoExplainerError } from "../errors.js";
import { describeEngine } from "../explain/engines/registry.js";
import type { Explainer } from "../explain/explanation.js";
import { createExplainer } from "../explain/runtime/explainer.js";
import type { Logger } from "../log.js";
import { createMetrics } from "../metrics/metrics.js";
import { type MetricsServer, startMetricsServer } from "../metrics/server.js";
import { createOverlayRenderer } from "../overlay/renderer.js";
import { FrameBudget } from "../pipeline/index.js";
import { RateLimitedLog } from "../rate-limited-log.js";
import { createSink } from "../sinks/registry.js";
import type { Sink } from "../sinks/sink.js";
import { Station, type StationEnd } from "./station.js";
import { StationControl } from "./station-control.js";

/** What hangs is not waited for longer. */
const CLOSE_MS = 2000;
const soon = (work: Promise<unknown> | undefined): Promise<unknown> =>
  Promise.race([work, sleep(CLOSE_MS, undefined, { ref: false })]);

/** A NATS round trip must have succeeded within the last seconds. */
const VERIFY_MS = 1500;

/** Bytes that the machine has, or the container if that has less. */
const memoryOfMachine = (): number => Math.min(totalmem(), process.constrainedMemory?.() || Number.POSITIVE_INFINITY);

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
  /** Those not closed yet: what one of them still owes would be missing for ever. */
  const open = new Set<Explainer>();
  const explainerOf = async (explain: Config["explain"]): Promise<Explainer> => {
    const made = await createExplainer({
      ...explain,
      model: path.resolve(baseDir, config.model.path),
      output: config.model.output,
      engine: config.engine.kind,
      device: config.engine.device,
      threads: config.engine.threads,
      precision: config.engine.precision,
      cache: /^(auto|off)$/.test(cache) ? cache : path.resolve(baseDir, cache),
    });
    open.add(made);
    return made;
  };
  const retire = async (explainer: Explainer): Promise<void> => {
    await explainer.close();
    open.delete(explainer);
  };
  const explainer = await explainerOf(config.explain);
  for (const note of explainer.notes ?? []) log.warn(note);
  log.info(
    `model ${explainer.model.name} is warm on ${describeEngine({ name: explainer.engine, passed: explainer.passed })}`,
  );
  const renderer = createOverlayRenderer();
  const sinks: Sink[] = [];
  let server: MetricsServer | undefined;
  let control: StationControl | undefined;
  const engineCheck = () => {
    const fault = [...open].map((explainer) => explainer.fault).find((known) => known !== undefined);
    return fault === undefined ? { ok: true } : { ok: false, reason: `${fault}; restart the worker` };
  };
  const closeAll = async (): Promise<void> => {
    await soon(control?.close());
    await soon(renderer.close());
    await soon(Promise.all([...open].map(retire)));
    await server?.close();
  };
  let beginService: (control: Control) => void = () => {};
  let sinksLeft = config.sinks.length;
  let endFor: (reason: string) => void = () => {};
  /** Why nobody is left to work for. */
  const abandoned = new Promise<string>((resolve) => {
    endFor = resolve;
  });
  const refusals = new RateLimitedLog();
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
          onGone: (reason) => {
            sinksLeft--;
            if (sinksLeft === 0) endFor(reason);
          },
        },
        // Connections come before the station that answers on them.
        serve: async (nc, { service, inboxPrefixes }) =>
          serveOn(nc, {
            control: await served,
            groups: service,
            inboxPrefixes,
            log,
            refusals,
            onAnswered: (...answer) => metrics.request(...answer),
          }),
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
  const { frameBytes = memoryOfMachine() / 2, pixelsPerSecond } = config.limits;
  const budget = new FrameBudget(frameBytes, pixelsPerSecond);
  const station = new Station({ config, baseDir, explainer, renderer, sinks, metrics, log, budget });
  control = new StationControl({
    station,
    config,
    baseDir,
    renderer,
    log,
    budget,
    retire,
    createExplainer: explainerOf,
  });
  beginService(control);
  const ended = (async () => {
    try {
      return await station.run();
    } finally {
      await closeAll();
    }
  })();
  void abandoned.then((reason) =>
    station.stop(new VideoExplainerError("no-sink", `${reason}; no other sink is left, so the worker ends`)),
  );
  return { ended, stop: () => station.stop(), metricsUrl: server.url };
}
