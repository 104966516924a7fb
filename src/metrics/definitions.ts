import { Counter, Gauge, Histogram, type Registry } from "prom-client";

const PREFIX = "video_explainer_";

/** Seconds: from one small operation to a frame of a film that waited its turn. */
const STAGE_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const END_TO_END_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 30];
const BATCH_SIZES = [1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128, 256];
/** Share of |R| in the most relevant tenth of the pixels: 0.1 is none at all. */
const CONCENTRATIONS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1];

/** Every metric of the program, registered. Rates are left to the reader: a gauge of a rate outlives its camera. */
export function defineMetrics(registry: Registry) {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Counter({ name: PREFIX + name, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Gauge({ name: PREFIX + name, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, buckets: number[], ...labelNames: L[]) =>
    new Histogram({ name: PREFIX + name, help, buckets, labelNames, registers });
  return {
    captured: counter("frames_captured_total", "Frames decoded", "source"),
    explained: counter("frames_explained_total", "Frames classified and explained", "source"),
    classified: counter("frames_classified_total", "Frames only classified", "source"),
    chosen: counter(
      "frames_chosen_total",
      "Frames that explain.when chose, by each of its reasons: one may have several",
      "source",
      "reason",
    ),
    dropped: counter("frames_dropped_total", "Frames dropped, by reason", "source", "reason"),
    inFlight: gauge("frames_in_flight", "Frames captured and not yet explained, classified or dropped", "source"),
    queued: gauge("frames_queued", "Frames given out to explain workers and not yet back", "source"),
    stationFrames: counter(
      "station_frames_total",
      "Frames of all sources, removed ones included, by what became of them",
      "outcome",
    ),
    stationInFlight: gauge("station_frames_in_flight", "Frames of all sources that are on their way"),
    stationQueued: gauge("station_frames_queued", "Frames of all sources that are given out to explain workers"),
    state: gauge("source_state", "1 for the state the source is in, 0 for the others", "source", "state"),
    restarts: counter("source_restarts_total", "Restarts of the source, by reason", "source", "reason"),
    lastFrame: gauge("source_last_frame_timestamp_seconds", "Unix time of the last frame's capture", "source"),
    batchSize: histogram("batch_size", "Frames in a batch", BATCH_SIZES),
    engineRuns: counter("engine_batches_total", "Batches, and parts of them, that an engine has run", "engine"),
    engineBusy: counter(
      "engine_busy_seconds_total",
      "Seconds that an engine was busy, the average of its threads: its rate is the share of time",
      "engine",
    ),
    deviceBusy: gauge(
      "device_busy_ratio",
      "Share of time that a card was busy for all programs, as its driver has it",
      "device",
    ),
    deviceMemoryUsed: gauge("device_memory_used_bytes", "Memory of a card that all programs use", "device"),
    deviceMemory: gauge("device_memory_bytes", "Memory of a card", "device"),
    stage: histogram("stage_duration_seconds", "Time a stage took", STAGE_SECONDS, "stage"),
    endToEnd: histogram(
      "end_to_end_seconds",
      "Time from a frame's arrival to its publishing",
      END_TO_END_SECONDS,
      "source",
    ),
    queueDepth: gauge("queue_depth", "Entries waiting in a queue", "queue"),
    predictions: counter("predictions_total", "Frames by their top class; rare classes are 'other'", "source", "label"),
    concentration: histogram(
      "relevance_concentration",
      "Share of |R| held by the most relevant tenth of the pixels",
      CONCENTRATIONS,
      "source",
    ),
    checked: counter(
      "decisions_checked_total",
      "Frames whose decision was held against the source's truth, by what came of it",
      "source",
      "outcome",
    ),
    insideMask: histogram(
      "relevance_inside_mask",
      "Share of |R| within the mask of what the source's truth says a frame shows",
      CONCENTRATIONS,
      "source",
    ),
    warnings: counter("relevance_warnings_total", "Explained frames that were warned of, by what", "source", "warning"),
    published: counter("published_total", "Messages accepted by a sink's far end", "sink", "kind"),
    publishErrors: counter("publish_errors_total", "Messages that a sink failed to publish", "sink"),
    publishDropped: counter(
      "publish_dropped_total",
      "Messages that a sink dropped, by reason",
      "sink",
      "kind",
      "reason",
    ),
    skipped: counter("frames_skipped_total", "Frames that a sink leaves out, as its only says", "sink"),
    sinkRestarts: counter("sink_restarts_total", "Streams of sources that a sink began again after a fault", "sink"),
    requests: counter("requests_total", "Requests to the NATS service, by what came of them", "endpoint", "outcome"),
    sinkConnected: gauge("sink_connected", "1 while the sink is connected to its far end", "sink"),
    fleetConnected: gauge("fleet_connected", "1 while the streams of the fleet can be used"),
    fleetQueue: gauge("fleet_queue_frames", "Frames of this model and method that no explain worker has taken yet"),
    fleetTaken: gauge("fleet_taken_frames", "Frames of this model and method that explain workers have in hand"),
    fleetAnswers: counter(
      "fleet_answers_total",
      "Answers of this explain worker, by what became of the frame",
      "outcome",
    ),
    fleetRedelivered: counter(
      "fleet_redelivered_total",
      "Frames that this explain worker was not the first to be given",
    ),
    fleetAge: histogram(
      "fleet_frame_age_seconds",
      "Time from a frame's capture to its coming to this explain worker, by the clocks of both",
      END_TO_END_SECONDS,
    ),
    roleInfo: gauge("role_info", "1, with the role of this process as a label", "role"),
    reloadSucceeded: gauge(
      "config_last_reload_successful",
      "1 where the configuration was last read without a fault, 0 where the one before it stays in force",
    ),
    reloadedAt: gauge(
      "config_last_reload_success_timestamp_seconds",
      "Unix time at which the configuration was last read without a fault",
    ),
    buildInfo: gauge("build_info", "1, with what is running as labels", "version", "node"),
  };
}

export type Definitions = ReturnType<typeof defineMetrics>;
