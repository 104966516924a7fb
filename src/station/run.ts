import { totalmem } from "node:os";
import { isDeepStrictEqual } from "node:util";
import type { NatsConnection } from "nats";
import { distinctUntilChanged, map, timer } from "rxjs";
import { unknownLabels } from "../config/choice-labels.js";
import { historySink } from "../config/history-sink.js";
import type { LoadedConfig } from "../config/load.js";
import { type Config, type SinkConfig, sinkName } from "../config/schema.js";
import type { Control } from "../control/control.js";
import { serveOn } from "../control/nats-service.js";
import { InputError, VideoExplainerError } from "../errors.js";
import { describeEngine } from "../explain/engines/registry.js";
import type { Explainer } from "../explain/explanation.js";
import { createExplainer } from "../explain/runtime/explainer.js";
import { FleetCapture } from "../fleet/capture.js";
import type { FleetLink } from "../fleet/link.js";
import type { Logger } from "../log.js";
import { deviceUse } from "../metrics/device-use.js";
import { createMetrics, type Metrics } from "../metrics/metrics.js";
import type { CheckResult } from "../metrics/readiness.js";
import { startMetricsServer } from "../metrics/server.js";
import { createOverlayRenderer } from "../overlay/renderer.js";
import { FrameBudget } from "../pipeline/index.js";
import { RateLimitedLog } from "../rate-limited-log.js";
import { createNatsSink } from "../sinks/nats/index.js";
import { createSink } from "../sinks/registry.js";
import type { Sink, SinkContext } from "../sinks/sink.js";
import { explainerOptions } from "./explainer-options.js";
import { orUntil } from "./or-until.js";
import { RunningConfig } from "./running-config.js";
import { Settings } from "./settings.js";
import { Station, type StationEnd, type StationSettings } from "./station.js";
import { StationControl } from "./station-control.js";

/** What hangs is not waited for longer. */
const CLOSE_MS = 2000;
export const soon = (work: Promise<unknown>): Promise<unknown> => orUntil(timer(CLOSE_MS), work);

/** A NATS round trip must have succeeded within the last seconds. */
export const VERIFY_MS = 1500;

/** Bytes that the machine has, or the container if that has less. */
const memoryOfMachine = (): number => Math.min(totalmem(), process.constrainedMemory?.() || Number.POSITIVE_INFINITY);

export interface RunHandle {
  /** Resolves when every source is over or `stop` was called, and everything is flushed and closed. */
  ended: Promise<StationEnd>;
  stop(): Promise<void>;
  /** See `RunningConfig.reload`. */
  reload(read: (running: Config) => Promise<Config>): Promise<void>;
  metricsUrl: string;
}

type RunConfig = Pick<LoadedConfig, "config" | "baseDir">;

/** What the metrics port is asked about, as it comes to be. */
interface Health {
  /** Of a capture. */
  link?: FleetLink;
  /** Undefined while the model is loading. */
  engine?: () => CheckResult;
  readonly sinks: Sink[];
}

/**
 * Starts the worker of a configuration: metrics, which answer from then on, model, sinks, sources. Rejects before any
 * source is opened when one part cannot start.
 */
export async function startStation(loaded: RunConfig, log: Logger): Promise<RunHandle> {
  const { sinks, metrics: port, role } = loaded.config;
  const metrics = createMetrics();
  metrics.role(role);
  const health: Health = { sinks: [] };
  const loading = { ok: false, reason: "model is loading" };
  const server = await startMetricsServer({
    ...port,
    metrics,
    readiness: [
      { name: "model", check: async () => health.engine?.() ?? loading },
      ...(role === "capture"
        ? [{ name: "fleet", check: async () => (health.link ? checkFleet(health.link) : loading) }]
        : []),
      ...sinks.map((sink) => ({ name: sinkName(sink), check: () => checkSink(sinkName(sink), health.sinks) })),
    ],
    liveness: () => health.engine?.() ?? { ok: true },
  });
  log.info(`health: ${server.url}/healthz, from now on; the model is loaded next`);
  try {
    const { ended, stop, reload } = await startParts(loaded, log, metrics, health);
    log.info(`metrics: ${server.url}/metrics`);
    return { ended: ended.finally(() => server.close()), stop, reload, metricsUrl: server.url };
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** Whether the server of a fleet answers now, and its streams can be used. */
async function checkFleet(link: FleetLink): Promise<CheckResult> {
  if (await link.verify(VERIFY_MS)) return { ok: true };
  return { ok: false, reason: link.reason ?? "the NATS server of the fleet does not answer" };
}

async function checkSink(name: string, sinks: readonly Sink[]): Promise<CheckResult> {
  const sink = sinks.find((known) => known.name === name);
  if (sink === undefined) return { ok: false, reason: "it is opened once the model is loaded" };
  if (await sink.verify(VERIFY_MS)) return { ok: true };
  return { ok: false, reason: sink.status().reason ?? `${name} does not answer` };
}

/** Frames that a source has in memory beside its share of those that are given out: none can take up all of these. */
const OWN_SLABS = 4;

/** How a capture hands its frames out: one by one, as many as may wait for their answers. */
const givenOut = ({ fleet, sources }: Config): Pick<StationSettings, "batches" | "bySource" | "slabs"> => ({
  batches: { maxBatch: 1, maxWaitMs: 0, inFlight: fleet.maxWaiting },
  bySource: true,
  slabs: OWN_SLABS + Math.ceil(fleet.maxWaiting / Math.max(1, sources.length)),
});

async function startParts(
  { config, baseDir }: RunConfig,
  log: Logger,
  metrics: Metrics,
  health: Health,
): Promise<Omit<RunHandle, "metricsUrl">> {
  /** Those not closed yet: what one of them still owes would be missing for ever. */
  const open = new Set<Explainer>();
  const { fleet, station: name } = config;
  const capture =
    config.role === "capture"
      ? new FleetCapture({ config: fleet, station: name, baseDir, log, metrics: metrics.fleet })
      : undefined;
  const made = async (explain: Config["explain"]): Promise<Explainer> => {
    const options = explainerOptions({ ...config, explain }, baseDir);
    if (!capture) return createExplainer(options, { onNote: (note) => log.warn(note), onRun: metrics.engineRun });
    // Who explains here needs no encoder in this thread, and has its model in others.
    const { RemoteExplainer, readFleetModel } = await import("../fleet/remote-explainer.js");
    const remote = new RemoteExplainer(readFleetModel(options), capture, fleet);
    await capture.addWork(remote.work);
    log.info(`frames for model ${remote.model.name} are work ${remote.work} of stream ${fleet.prefix}_FRAMES`);
    return remote;
  };
  const explainerOf = async (explain: Config["explain"]): Promise<Explainer> => {
    const explainer = await made(explain);
    open.add(explainer);
    return explainer;
  };
  const retire = async (explainer: Explainer): Promise<void> => {
    await explainer.close();
    open.delete(explainer);
  };
  const explainer = await explainerOf(config.explain);
  const [unknown] = unknownLabels(config, explainer.model.labels);
  if (unknown) {
    await retire(explainer);
    throw new InputError("label", unknown.text);
  }
  for (const note of explainer.notes ?? []) log.warn(note);
  if (!capture)
    log.info(
      `model ${explainer.model.name} is warm on ${describeEngine({ name: explainer.engine, skipped: explainer.skipped })}`,
    );
  if (explainer.device !== "cpu") metrics.watchDevices(deviceUse());
  const { explain, overlay, warnings } = config;
  const settings = new Settings(
    { explainer, explain, overlay, warnings },
    { log, createExplainer: explainerOf, retire },
  );
  const renderer = createOverlayRenderer();
  const { sinks } = health;
  capture?.link.connect();
  health.link = capture?.link;
  health.engine = () => {
    const fault = [...open].map((explainer) => explainer.fault).find((known) => known !== undefined);
    return fault === undefined ? { ok: true } : { ok: false, reason: `${fault}; restart the worker` };
  };
  const closeAll = async (): Promise<void> => {
    await soon(settings.close());
    await soon(renderer.close());
    if (capture) await soon(capture.close());
    await soon(Promise.all([...open].map(retire)));
  };
  let beginService: (control: Control) => void = () => {};
  let sinksLeft = config.sinks.length;
  let endFor: (reason: string) => void = () => {};
  /** Why nobody is left to work for. */
  const abandoned = new Promise<string>((resolve) => {
    endFor = resolve;
  });
  const served = new Promise<Control>((resolve) => {
    beginService = resolve;
  });
  const openSink = (sink: SinkConfig, context: SinkContext): Sink => {
    if (sink.kind !== "nats") return createSink(sink, context);
    const refusals = new RateLimitedLog();
    const { service: groups, inboxPrefixes } = sink;
    const onAnswered = (endpoint: string, outcome: string): void => metrics.request(endpoint, outcome);
    const options = { groups, sink: sinkName(sink), inboxPrefixes, log, refusals, onAnswered };
    // Connections come before the station that answers on them.
    const onConnection = async (nc: NatsConnection) => serveOn(nc, { control: await served, ...options });
    return createNatsSink(sink, { ...context, onConnection });
  };
  try {
    for (const sinkConfig of config.sinks) {
      const name = sinkName(sinkConfig);
      const past = sinkConfig.kind === "viewer" && sinkConfig.history && historySink(sinkConfig.history, config.sinks);
      const sink = openSink(sinkConfig, {
        ...(past ? { past: { nats: past, sources: config.sources.map((source) => source.name) } } : {}),
        station: config.station,
        baseDir,
        log,
        events: {
          onPublished: (kind) => metrics.published(name, kind),
          onError: () => metrics.publishError(name),
          onDropped: (kind, reason) => metrics.publishDropped(name, kind, reason),
          onRestarted: () => metrics.sinkRestarted(name),
          onConnected: (connected) => metrics.sinkConnected(name, connected),
          onGone: (reason) => {
            sinksLeft--;
            if (sinksLeft === 0) endFor(reason);
          },
        },
      });
      metrics.addSink(name);
      await sink.connect();
      sinks.push(sink);
    }
  } catch (error) {
    await Promise.allSettled(sinks.map((sink) => sink.close(0)));
    await closeAll();
    throw error;
  }
  const { frameBytes = memoryOfMachine() / 2, pixelsPerSecond } = config.limits;
  const budget = new FrameBudget(frameBytes, pixelsPerSecond);
  const { sources, engine: batches } = config;
  const fixed = { station: config.station, batches, sources, baseDir, ...(capture && givenOut(config)) };
  const only = new Map(config.sinks.flatMap((sink) => (sink.only ? [[sinkName(sink), sink.only] as const] : [])));
  const station = new Station({ ...fixed, settings, renderer, sinks, only, metrics, log, budget });
  settings.current$
    .pipe(
      map(({ overlay }) => overlay),
      distinctUntilChanged((a, b) => isDeepStrictEqual(a, b)),
    )
    .subscribe((overlay) => {
      for (const sink of sinks) sink.restyle?.(overlay);
    });
  const running = new RunningConfig(config);
  const control = new StationControl({
    ...{ station, settings, baseDir, renderer, budget },
    get config() {
      return running.current;
    },
  });
  beginService(control);
  const remove = (name: string) => control.removeSource(name);
  const reload: RunHandle["reload"] = (read) => running.reload(read, { station, settings, only, remove, metrics, log });
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
  return { ended, stop: () => station.stop(), reload };
}
