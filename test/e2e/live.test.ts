import { afterAll, expect, it } from "vitest";
import type { Summary } from "../../src/messages/summary.js";
import { expectExact, expectExactLedgers } from "../support/ledgers.js";
import { freePort, type NatsServer, startNatsServer } from "../support/nats-server.js";
import { until } from "../support/sinks.js";
import { cutFilm } from "./films.js";
import { publishedBy, upTo } from "./topics.js";
import { INSPECTION, startWorker, temporaryFolder } from "./worker.js";

const folder = temporaryFolder();
const film = cutFilm(folder, 60);
const servers: NatsServer[] = [];
afterAll(async () => {
  for (const server of servers) await server.stop();
});

const CAMERAS = ["camera", "second"];
const _SOURCES = [...CAMERAS, "film", "dead"];

/** Every metric that the program promises. */
const NAMES = [
  "frames_captured_total",
  "frames_explained_total",
  "frames_classified_total",
  "frames_dropped_total",
  "source_state",
  "source_restarts_total",
  "source_last_frame_timestamp_seconds",
  "batch_size",
  "engine_batches_total",
  "engine_busy_seconds_total",
  "stage_duration_seconds",
  "end_to_end_seconds",
  "queue_depth",
  "predictions_total",
  "relevance_concentration",
  "published_total",
  "publish_errors_total",
  "sink_connected",
  "build_info",
].map((name) => `video_explainer_${name}`);

it("explains each third frame of live cameras and a film beside a dead camera, and tells readiness of NATS", async () => {
  const first = await startNatsServer({ jetstream: true });
  servers.push(first);
  const dead = `rtsp://viewer:geheim@127.0.0.1:${await freePort()}/x`;
  const worker = startWorker({
    station: "hall",
    model: INSPECTION,
    explain: { every: 3 },
    sources: [
      { name: "dead", url: dead },
      { name: "camera", url: "testsrc", width: 320, height: 240, fps: 10, policy: "latest" },
      { name: "second", url: "testsrc", width: 160, height: 120, fps: 5, policy: "latest" },
      { name: "film", url: film },
    ],
    sinks: [
      { kind: "nats", servers: [first.url], jetstream: true },
      { kind: "viewer", port: 0 },
    ],
  });
  await until("the film to be over and the cameras to run", async () => {
    const metrics = await worker.metrics();
    expectExact(metrics);
    const done = (source: string) =>
      metrics.value("frames_explained_total", { source }) + metrics.value("frames_classified_total", { source });
    return done("film") === 60 && CAMERAS.every((camera) => done(camera) >= 12);
  });
  const metrics = await worker.metrics();
  for (const name of NAMES) expect([...metrics.families.keys()]).toContain(name);
  expect(metrics.value("source_state", { source: "camera", state: "live" })).toBe(1);
  expect(metrics.value("source_state", { source: "film", state: "ended" })).toBe(1);
  expect(metrics.value("frames_captured_total", { source: "dead" })).toBe(0);
  expect(metrics.value("source_restarts_total", { source: "dead" })).toBeGreaterThan(0);
  expect(metrics.value("frames_explained_total", { source: "film" })).toBe(20);
  expect(metrics.value("relevance_concentration_count", { source: "film" })).toBe(20);
  expect(metrics.value("predictions_total", { source: "film" })).toBe(60);
  expect((await worker.get("/readyz")).status).toBe(200);

  await first.kill();
  await until("readiness to go", async () => (await worker.get("/readyz")).status === 503);
  const { text } = await worker.get("/readyz");
  expect(JSON.parse(text)).toMatchObject({
    ready: false,
    checks: [
      { name: "model", ok: true },
      { name: "nats", ok: false, reason: expect.stringContaining(`127.0.0.1:${first.port}`) },
      { name: "viewer", ok: true },
    ],
  });
  expect((await worker.get("/healthz")).status).toBe(200);
  const captured = (await worker.metrics()).value("frames_captured_total", { source: "camera" });
  await until("the camera to go on", async () => {
    const now = await worker.metrics();
    expectExact(now);
    return now.value("frames_captured_total", { source: "camera" }) > captured + 5;
  });
  const second = await startNatsServer({ jetstream: true, port: first.port, storeDir: first.storeDir });
  servers.push(second);
  await until("readiness to come back", async () => (await worker.get("/readyz")).status === 200);
  expect((await worker.get("/healthz")).status).toBe(200);

  worker.kill("SIGTERM");
  expect(await worker.ended).toEqual({ code: 0, signal: null });
  expect(worker.said).toEqual([]);
  expect(JSON.stringify(worker.log)).not.toContain("geheim");

  for (const source of ["film", ...CAMERAS]) {
    const { summaries, statuses, of } = await publishedBy(second.url, "hall", source);
    expectExactLedgers(statuses);
    const { ledger } = statuses.at(-1)!;
    console.log(`${source}: ${summaries.length} summaries, ${JSON.stringify(ledger)}`);
    expectEachThird(summaries);
    expect(ledger.inFlight).toBe(0);
    expect(ledger.explained).toBe(summaries.filter((s) => s.relevance).length);
    expect(ledger.classified).toBe(summaries.filter((s) => !s.relevance).length);
    expect(of.overlay).toHaveLength(ledger.explained);
    expect(of.heatmap).toHaveLength(ledger.explained);
    const sequences = summaries.map((s) => s.sequence);
    expect(sequences).toEqual(source === "film" ? upTo(60) : [...new Set(sequences)].sort((a, b) => a - b));
  }
  const { statuses, summaries } = await publishedBy(second.url, "hall", "dead");
  expect(summaries).toEqual([]);
  const failed = statuses.find((s) => s.state === "failed")!;
  expect(failed.reason).toMatch(/^rtsp:\/\/\S+ cannot be reached: .*Connection refused/);
  expect(JSON.stringify(statuses)).not.toContain("geheim");
  expect(statuses.at(-1)!.restarts).toBeGreaterThan(0);
});

/** Of the frames that came through, the first, fourth, seventh … is explained, the others only classified. */
function expectEachThird(summaries: readonly Summary[]): void {
  expect(summaries.map((s) => s.relevance !== null)).toEqual(summaries.map((_, i) => i % 3 === 0));
  for (const { classification } of summaries) {
    expect(classification.top.length).toBe(5);
    expect(classification.target).toMatchObject(classification.top[0]!);
  }
}

it("keeps every frame of two films and a looping third apart in shared batches", async () => {
  const server = await startNatsServer({ jetstream: true });
  servers.push(server);
  const films = ["left", "right"];
  const worker = startWorker({
    station: "pair",
    model: INSPECTION,
    sources: [
      ...films.map((name, i) => ({ name, url: film, region: { x: 40 + 330 * i, y: 60, width: 200, height: 270 } })),
      { name: "loop", url: cutFilm(folder, 20), loop: true },
    ],
    sinks: [{ kind: "nats", servers: [server.url], jetstream: true }],
  });
  await until("both to be over and the third to loop", async () => {
    const metrics = await worker.metrics();
    const done = (source: string) => metrics.value("frames_explained_total", { source });
    return films.every((name) => done(name) === 60) && done("loop") > 50;
  });
  worker.kill("SIGTERM");
  expect((await worker.ended).code).toBe(0);
  for (const [i, name] of films.entries()) {
    const { summaries } = await publishedBy(server.url, "pair", name);
    expect(summaries.map((s) => s.sequence)).toEqual(upTo(60));
    for (const { relevance, timing } of summaries) {
      const [x, y] = relevance!.centroid;
      expect(x).toBeGreaterThanOrEqual(40 + 330 * i);
      expect(x).toBeLessThanOrEqual(240 + 330 * i);
      expect(y).toBeGreaterThanOrEqual(60);
      expect(timing.batchSize).toBeLessThanOrEqual(8);
    }
  }
  const { summaries } = await publishedBy(server.url, "pair", "loop");
  const pts = summaries.map((s) => s.pts);
  expect(summaries.map((s) => s.sequence)).toEqual(upTo(summaries.length));
  // The clock of a looping film goes on over its end.
  expect(pts).toEqual([...pts].sort((a, b) => a - b));
  expect(new Set(pts).size).toBe(pts.length);
});
