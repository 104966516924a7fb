import { collectDefaultMetrics, Registry } from "prom-client";
import { packageVersion } from "../version.js";
import { boundedLabel } from "./bounded.js";
import { type Definitions, defineMetrics } from "./definitions.js";
import type { DeviceUse } from "./device-use.js";
import { createSourceMetrics, type SourceMetrics } from "./source-metrics.js";

/** Counts what the worker does. No method throws: a figure that is not finite is left out. */
export interface Metrics {
  /** The metrics of a source, all of them shown from zero on. The same object until it is forgotten. */
  source(name: string): SourceMetrics;
  /** The frames of the whole station: what became of one, and how many are on their way. */
  stationFrame(outcome: string, inFlight: number): void;
  /** How many frames of the whole station are on their way here, and how many are given out. */
  stationQueued(inFlight: number, queued: number): void;
  /** `all`, `capture` or `explain`. */
  role(role: string): void;
  readonly fleet: FleetMetrics;
  /** The configuration was read anew, with or without a fault. */
  configReloaded(succeeded: boolean): void;
  /** A request to the service was answered; `outcome`: `ok` or an error code. */
  request(endpoint: string, outcome: string): void;
  /** Frames in a batch. */
  batch(size: number): void;
  /** An engine, e.g. `onnxruntime-cpu`, was busy for so long. */
  engineRun(engine: string, seconds: number): void;
  /** Reads what the cards are doing at each scrape. */
  watchDevices(read: () => Promise<readonly DeviceUse[]>): void;
  /** Seconds that a stage took, e.g. `decode`, `explain`, `overlay`, `publish`. */
  stage(stage: string, seconds: number): void;
  /** Reads a queue's depth at each scrape until the returned function is called. */
  watchQueue(queue: string, depth: () => number): () => void;
  /** Shows the sink's metrics from zero on. */
  addSink(sink: string): void;
  sinkConnected(sink: string, connected: boolean): void;
  published(sink: string, kind: string): void;
  publishError(sink: string): void;
  /** A stream of the sink was begun again after a fault. */
  sinkRestarted(sink: string): void;
  /** A frame that the sink's `only` leaves out. */
  skipped(sink: string): void;
  publishDropped(sink: string, kind: string, reason: string): void;
  /** Everything in Prometheus' text format. */
  render(): Promise<string>;
  readonly contentType: string;
}

/** What captures and explain workers count of the streams between them. */
export interface FleetMetrics {
  connected(is: boolean): void;
  /** Frames of this model and method: not taken yet, and in the hands of workers. */
  queue(waiting: number, taken: number): void;
  /** A worker has answered. */
  answered(outcome: string): void;
  /** A worker was given a frame that another was given before. */
  redelivered(): void;
  /** Seconds since its capture, as a frame comes to a worker. */
  age(seconds: number): void;
}

const OUTCOMES = ["captured", "explained", "classified", "dropped"];
const LABELS = 100;
const REASONS = 50;
const STAGES = 50;

/** Metrics with a registry of their own. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const defined: Definitions = defineMetrics(registry);
  for (const outcome of OUTCOMES) defined.stationFrames.inc({ outcome }, 0);
  defined.reloadSucceeded.set(1);
  defined.reloadedAt.setToCurrentTime();
  defined.buildInfo.set({ version: packageVersion(), node: process.version }, 1);

  const bounds = { label: boundedLabel(LABELS), reason: boundedLabel(REASONS) };
  const stageLabel = boundedLabel(STAGES);
  const sources = new Map<string, SourceMetrics>();
  const queues = new Map<string, () => number>();
  let devices: () => Promise<readonly DeviceUse[]> = async () => [];

  return {
    contentType: registry.contentType,
    source(name) {
      const known = sources.get(name);
      if (known) return known;
      const made = createSourceMetrics(name, defined, bounds, () => sources.delete(name));
      sources.set(name, made);
      return made;
    },
    stationFrame(outcome, inFlight) {
      defined.stationFrames.inc({ outcome });
      defined.stationInFlight.set(inFlight);
    },
    stationQueued(inFlight, queued) {
      defined.stationInFlight.set(inFlight);
      defined.stationQueued.set(queued);
    },
    role: (role) => defined.roleInfo.set({ role }, 1),
    fleet: {
      connected: (is) => defined.fleetConnected.set(is ? 1 : 0),
      queue(waiting, taken) {
        defined.fleetQueue.set(waiting);
        defined.fleetTaken.set(taken);
      },
      answered: (outcome) => defined.fleetAnswers.inc({ outcome: bounds.reason(outcome) }),
      redelivered: () => defined.fleetRedelivered.inc(),
      age(seconds) {
        if (seconds >= 0) defined.fleetAge.observe(seconds);
      },
    },
    configReloaded(succeeded) {
      defined.reloadSucceeded.set(succeeded ? 1 : 0);
      if (succeeded) defined.reloadedAt.setToCurrentTime();
    },
    request: (endpoint, outcome) => defined.requests.inc({ endpoint, outcome }),
    batch(size) {
      if (Number.isFinite(size)) defined.batchSize.observe(size);
    },
    engineRun(engine, seconds) {
      defined.engineRuns.inc({ engine });
      if (seconds >= 0) defined.engineBusy.inc({ engine }, seconds);
    },
    watchDevices(read) {
      devices = read;
    },
    stage(stage, seconds) {
      if (Number.isFinite(seconds)) defined.stage.observe({ stage: stageLabel(stage) }, seconds);
    },
    watchQueue(queue, depth) {
      queues.set(queue, depth);
      return () => {
        if (queues.get(queue) !== depth) return;
        queues.delete(queue);
        defined.queueDepth.remove({ queue });
      };
    },
    addSink(sink) {
      defined.publishErrors.inc({ sink }, 0);
      defined.sinkConnected.set({ sink }, 0);
      defined.skipped.inc({ sink }, 0);
    },
    sinkConnected: (sink, connected) => defined.sinkConnected.set({ sink }, connected ? 1 : 0),
    published: (sink, kind) => defined.published.inc({ sink, kind }),
    publishError: (sink) => defined.publishErrors.inc({ sink }),
    sinkRestarted: (sink) => defined.sinkRestarts.inc({ sink }),
    skipped: (sink) => defined.skipped.inc({ sink }),
    publishDropped: (sink, kind, reason) => defined.publishDropped.inc({ sink, kind, reason: bounds.reason(reason) }),
    async render() {
      for (const [queue, depth] of queues) {
        const now = depth();
        if (Number.isFinite(now)) defined.queueDepth.set({ queue }, now);
      }
      const uses = await devices();
      // Not before they are known: another scrape may be reading them.
      for (const gauge of [defined.deviceBusy, defined.deviceMemoryUsed, defined.deviceMemory]) gauge.reset();
      for (const { device, usedBytes, totalBytes, busy } of uses) {
        if (busy !== undefined) defined.deviceBusy.set({ device }, busy);
        if (usedBytes !== undefined) defined.deviceMemoryUsed.set({ device }, usedBytes);
        if (totalBytes !== undefined) defined.deviceMemory.set({ device }, totalBytes);
      }
      // prom-client writes "Nan", which strict readers refuse; the event loop's lag is not a number before its first turns.
      return (await registry.metrics()).replace(/ Nan$/gm, " NaN");
    },
  };
}
