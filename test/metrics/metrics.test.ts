import { describe, expect, it } from "vitest";
import { createMetrics, type Metrics } from "../../src/metrics/metrics.js";
import { parseExposition, type Sample } from "./exposition.js";

/** Names and labels that dashboards and alerts rely on. */
const PUBLIC: Record<string, [type: string, labels: string[]]> = {
  frames_captured_total: ["counter", ["source"]],
  frames_explained_total: ["counter", ["source"]],
  frames_classified_total: ["counter", ["source"]],
  frames_chosen_total: ["counter", ["reason", "source"]],
  frames_skipped_total: ["counter", ["sink"]],
  frames_dropped_total: ["counter", ["reason", "source"]],
  frames_in_flight: ["gauge", ["source"]],
  frames_queued: ["gauge", ["source"]],
  station_frames_queued: ["gauge", []],
  fleet_connected: ["gauge", []],
  fleet_queue_frames: ["gauge", []],
  fleet_taken_frames: ["gauge", []],
  fleet_answers_total: ["counter", ["outcome"]],
  fleet_redelivered_total: ["counter", []],
  fleet_frame_age_seconds: ["histogram", []],
  role_info: ["gauge", ["role"]],
  station_frames_total: ["counter", ["outcome"]],
  station_frames_in_flight: ["gauge", []],
  requests_total: ["counter", ["endpoint", "outcome"]],
  source_state: ["gauge", ["source", "state"]],
  source_restarts_total: ["counter", ["reason", "source"]],
  source_last_frame_timestamp_seconds: ["gauge", ["source"]],
  batch_size: ["histogram", []],
  stage_duration_seconds: ["histogram", ["stage"]],
  end_to_end_seconds: ["histogram", ["source"]],
  engine_batches_total: ["counter", ["engine"]],
  engine_busy_seconds_total: ["counter", ["engine"]],
  device_busy_ratio: ["gauge", ["device"]],
  device_memory_used_bytes: ["gauge", ["device"]],
  device_memory_bytes: ["gauge", ["device"]],
  queue_depth: ["gauge", ["queue"]],
  relevance_warnings_total: ["counter", ["source", "warning"]],
  predictions_total: ["counter", ["label", "source"]],
  relevance_concentration: ["histogram", ["source"]],
  relevance_inside_mask: ["histogram", ["source"]],
  decisions_checked_total: ["counter", ["outcome", "source"]],
  published_total: ["counter", ["kind", "sink"]],
  publish_errors_total: ["counter", ["sink"]],
  publish_dropped_total: ["counter", ["kind", "reason", "sink"]],
  sink_connected: ["gauge", ["sink"]],
  sink_restarts_total: ["counter", ["sink"]],
  config_last_reload_success_timestamp_seconds: ["gauge", []],
  config_last_reload_successful: ["gauge", []],
  build_info: ["gauge", ["node", "version"]],
};
const PREFIX = "video_explainer_";

async function scrape(metrics: Metrics) {
  const families = parseExposition(await metrics.render());
  const samples = (name: string): Sample[] => families.get(PREFIX + name)?.samples ?? [];
  const value = (name: string, labels: Record<string, string>): number | undefined =>
    samples(name).find((s) => Object.entries(labels).every(([key, text]) => s.labels[key] === text))?.value;
  return { families, samples, value };
}

function useAll(metrics: Metrics): void {
  const cam = metrics.source("cam");
  cam.captured();
  cam.explained();
  cam.classified();
  cam.dropped("stale", 3);
  cam.inFlight(2);
  cam.queued(1);
  cam.state("live");
  cam.restarted("stalled");
  cam.lastFrame(1_700_000_000_500);
  cam.endToEnd(0.12);
  cam.prediction('a "quoted"\nlabel\\');
  cam.concentration(0.7);
  cam.chosen("changed");
  cam.checked(true);
  cam.checked(false);
  cam.insideMask(0.6);
  metrics.stationFrame("captured", 2);
  metrics.stationQueued(2, 1);
  metrics.role("all");
  metrics.fleet.connected(true);
  metrics.fleet.queue(3, 2);
  metrics.fleet.answered("explained");
  metrics.fleet.redelivered();
  metrics.fleet.age(0.1);
  metrics.request("sources-list", "ok");
  metrics.batch(8);
  metrics.engineRun("onnxruntime-cpu", 0.03);
  metrics.watchDevices(async () => [{ device: "0: Card", usedBytes: 1, totalBytes: 2, busy: 0.5 }]);
  metrics.stage("explain", 0.03);
  metrics.watchQueue("publish", () => 4);
  metrics.addSink("nats");
  metrics.sinkConnected("nats", true);
  metrics.published("nats", "summary");
  metrics.publishError("nats");
  metrics.publishDropped("nats", "overlay", "buffer-full");
  metrics.skipped("nats");
  metrics.sinkRestarted("stream");
}

describe("metrics", () => {
  it("have exactly the published names, kinds and labels, and parse strictly", async () => {
    const metrics = createMetrics();
    useAll(metrics);
    const { families } = await scrape(metrics);
    const own = [...families.values()].filter(({ name }) => name.startsWith(PREFIX));
    const shape = own.map(({ name, type, samples }) => {
      const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)));
      if (type === "histogram") labels.delete("le");
      return [name.slice(PREFIX.length), [type, [...labels].sort()]];
    });
    expect(Object.fromEntries(shape)).toEqual(PUBLIC);
    for (const { samples, name } of own) expect(samples, name).not.toHaveLength(0);
    expect(families.has("process_cpu_seconds_total")).toBe(true);
    expect(families.has("nodejs_eventloop_lag_p99_seconds")).toBe(true);
    expect(families.has("process_resident_memory_bytes")).toBe(true);
  });

  it("count what happened", async () => {
    const metrics = createMetrics();
    useAll(metrics);
    const { value } = await scrape(metrics);
    expect(value("frames_captured_total", { source: "cam" })).toBe(1);
    expect(value("frames_dropped_total", { source: "cam", reason: "stale" })).toBe(3);
    expect(value("source_last_frame_timestamp_seconds", { source: "cam" })).toBe(1_700_000_000.5);
    expect(value("predictions_total", { source: "cam", label: 'a "quoted"\nlabel\\' })).toBe(1);
    expect(value("queue_depth", { queue: "publish" })).toBe(4);
    expect(value("sink_connected", { sink: "nats" })).toBe(1);
  });

  it("show a source's series from zero on, in one state at a time", async () => {
    const metrics = createMetrics();
    const cam = metrics.source("cam");
    const first = await scrape(metrics);
    expect(first.value("frames_captured_total", { source: "cam" })).toBe(0);
    expect(first.value("end_to_end_seconds", { source: "cam", le: "+Inf" })).toBe(0);
    const states = (samples: Sample[]) => Object.fromEntries(samples.map((s) => [s.labels.state, s.value]));
    const none = { connecting: 0, live: 0, stalled: 0, frozen: 0, ended: 0, failed: 0 };
    expect(states(first.samples("source_state"))).toEqual({ ...none, connecting: 1 });
    cam.state("frozen");
    expect(states((await scrape(metrics)).samples("source_state"))).toEqual({ ...none, frozen: 1 });
  });

  it("forget every series of a removed source, for good, and no other's", async () => {
    const metrics = createMetrics();
    useAll(metrics);
    metrics.source("other").captured();
    const cam = metrics.source("cam");
    cam.forget();
    cam.captured();
    cam.dropped("late");
    cam.prediction("late");
    cam.endToEnd(1);
    cam.state("live");
    cam.forget();
    const text = await metrics.render();
    expect(text).not.toContain('source="cam"');
    expect(text).toContain('video_explainer_frames_captured_total{source="other"} 1');
    metrics.source("cam").captured();
    expect((await scrape(metrics)).value("frames_captured_total", { source: "cam" })).toBe(1);
  });

  it("stay as many after a thousand sources came and went", async () => {
    const metrics = createMetrics();
    const before = (await metrics.render()).split("\n").length;
    for (let i = 0; i < 1000; i++) {
      const source = metrics.source(`cam-${i}`);
      source.captured();
      source.dropped("stale");
      source.restarted("stalled");
      source.prediction("bottle");
      source.concentration(0.5);
      source.forget();
    }
    expect((await metrics.render()).split("\n").length).toBeLessThan(before + 5);
  });

  it("keep a hundred labels and count the rest as other", async () => {
    const metrics = createMetrics();
    const cam = metrics.source("cam");
    for (let i = 0; i < 1000; i++) cam.prediction(`class ${i}`);
    cam.prediction("class 5");
    const { samples, value } = await scrape(metrics);
    expect(samples("predictions_total")).toHaveLength(101);
    expect(value("predictions_total", { label: "other" })).toBe(900);
    expect(value("predictions_total", { label: "class 5" })).toBe(2);
  });

  it("leave out figures that are not finite instead of failing", async () => {
    const metrics = createMetrics();
    const cam = metrics.source("cam");
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      cam.endToEnd(bad);
      cam.concentration(bad);
      cam.lastFrame(bad);
      cam.dropped("x", bad);
      metrics.batch(bad);
      metrics.stage("x", bad);
      metrics.watchQueue("x", () => bad);
    }
    expect((await scrape(metrics)).value("end_to_end_seconds", { source: "cam", le: "+Inf" })).toBe(0);
  });

  it("read a queue at each scrape until it is let go", async () => {
    const metrics = createMetrics();
    let depth = 1;
    const unwatch = metrics.watchQueue("decode", () => depth);
    depth = 7;
    expect((await scrape(metrics)).value("queue_depth", { queue: "decode" })).toBe(7);
    unwatch();
    expect((await scrape(metrics)).samples("queue_depth")).toEqual([]);
  });

  it("are apart for each worker in a process", async () => {
    const [a, b] = [createMetrics(), createMetrics()];
    a.source("cam").captured();
    expect((await scrape(b)).samples("frames_captured_total")).toEqual([]);
  });
});
