import { isDeepStrictEqual } from "node:util";
import type { LoadedConfig } from "../config/load.js";
import type { Config } from "../config/schema.js";
import { reasonOf } from "../errors.js";
import { describeEngine } from "../explain/engines/registry.js";
import { createExplainer } from "../explain/runtime/explainer.js";
import { ExplainWorker } from "../fleet/explain-worker.js";
import { workId } from "../fleet/names.js";
import type { Logger } from "../log.js";
import { deviceUse } from "../metrics/device-use.js";
import { createMetrics } from "../metrics/metrics.js";
import type { CheckResult } from "../metrics/readiness.js";
import { startMetricsServer } from "../metrics/server.js";
import { explainerOptions } from "./explainer-options.js";
import { type RunHandle, soon, VERIFY_MS } from "./run.js";
import type { StationEnd } from "./station.js";

/** What is explained when it is told to stop is finished, and the rest given back, within this time. */
const STOP_MS = 4000;

/**
 * Starts an explain worker of a fleet: metrics, which answer from then on, model, connection. It goes on until it is
 * stopped. Rejects when one part cannot start.
 */
export async function startExplainWorker(
  { config, baseDir }: Pick<LoadedConfig, "config" | "baseDir">,
  log: Logger,
): Promise<RunHandle> {
  const metrics = createMetrics();
  metrics.role(config.role);
  const loading: CheckResult = { ok: false, reason: "model is loading" };
  let engine: (() => CheckResult) | undefined;
  let worker: ExplainWorker | undefined;
  const server = await startMetricsServer({
    ...config.metrics,
    metrics,
    readiness: [
      { name: "model", check: async () => engine?.() ?? loading },
      { name: "fleet", check: async () => (worker ? checkServer(worker) : loading) },
    ],
    liveness: () => engine?.() ?? { ok: true },
  });
  log.info(`health: ${server.url}/healthz, from now on; the model is loaded next`);
  try {
    // Captures ask for frames that are only classified, whatever this worker's own configuration says of `when`.
    const options = { ...explainerOptions(config, baseDir), classifier: true };
    const explainer = await createExplainer(options, { onNote: (note) => log.warn(note), onRun: metrics.engineRun });
    for (const note of explainer.notes ?? []) log.warn(note);
    engine = () => {
      const { fault } = explainer;
      return fault === undefined ? { ok: true } : { ok: false, reason: `${fault}; restart the worker` };
    };
    if (explainer.device !== "cpu") metrics.watchDevices(deviceUse());
    const work = workId(explainer.model, options);
    log.info(
      `model ${explainer.model.name} is warm on ${describeEngine({ name: explainer.engine, skipped: explainer.skipped })}`,
    );
    const { fleet, station, engine: batches } = config;
    worker = new ExplainWorker({ config: fleet, station, baseDir, explainer, work, ...batches, log, metrics });
    worker.link.connect();
    log.info(`metrics: ${server.url}/metrics`);
    log.info(`takes frames of work ${work} from stream ${fleet.prefix}_FRAMES`);
    let stop: () => void = () => {};
    const stopped = new Promise<void>((resolve) => {
      stop = resolve;
    });
    const ended = (async (): Promise<StationEnd> => {
      await stopped;
      await worker.stop(STOP_MS);
      await soon(explainer.close());
      await server.close();
      const { taken: frames, explained } = worker.counts;
      return { faults: [], frames, explained };
    })();
    const reload: RunHandle["reload"] = async (read) => {
      try {
        const changed = changedKeys(config, await read(config));
        if (changed.length > 0) log.warn(`${changed.join(", ")}: an explain worker takes this up when it is restarted`);
        metrics.configReloaded(true);
      } catch (error) {
        for (const line of reasonOf(error).split("\n")) log.error(`the new configuration is not taken: ${line}`);
        metrics.configReloaded(false);
      }
    };
    return { ended, stop: async () => stop(), reload, metricsUrl: server.url };
  } catch (error) {
    await server.close();
    throw error;
  }
}

const changedKeys = (before: Config, after: Config): string[] =>
  (Object.keys(after) as (keyof Config)[]).filter((key) => !isDeepStrictEqual(before[key], after[key]));

/** A worker whose queue is not made yet has nothing to do, and is ready for it: a new model's workers come before its captures. */
async function checkServer({ link }: ExplainWorker): Promise<CheckResult> {
  if (await link.answers(VERIFY_MS)) return { ok: true };
  return { ok: false, reason: link.reason ?? "the NATS server of the fleet does not answer" };
}
