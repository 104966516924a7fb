import { afterEach, expect, it } from "vitest";
import { expectExactLedgers } from "../support/ledgers.js";
import { freePort, type NatsServer, startNatsServer } from "../support/nats-server.js";
import { pause, until } from "../support/sinks.js";
import { cutFilm } from "./films.js";
import { publishedBy, upTo } from "./topics.js";
import { INSPECTION, startWorker, temporaryFolder } from "./worker.js";

const folder = temporaryFolder();
const servers: NatsServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

async function serve(options: Parameters<typeof startNatsServer>[0] = {}): Promise<NatsServer> {
  const server = await startNatsServer({ ...options, jetstream: true });
  servers.push(server);
  return server;
}

const belt = (url: string, port: number, more: { source?: object; sink?: object } = {}) => ({
  station: "line-1",
  model: INSPECTION,
  sources: [{ name: "belt", url, ...more.source }],
  sinks: [{ kind: "nats", servers: [`nats://127.0.0.1:${port}`], jetstream: true, ...more.sink }],
});

async function expectAll(url: string, frames: number): Promise<void> {
  const { of, summaries, statuses } = await publishedBy(url, "line-1", "belt");
  expect(summaries.map((s) => s.sequence)).toEqual(upTo(frames));
  expect(of.overlay.map((m) => Number(m.headers["Frame-Sequence"]))).toEqual(upTo(frames));
  expect(of.heatmap.map((m) => Number(m.headers["Frame-Sequence"]))).toEqual(upTo(frames));
  expectExactLedgers(statuses);
  expect(statuses.at(-1)!.ledger).toEqual({
    captured: frames,
    explained: frames,
    classified: 0,
    dropped: {},
    inFlight: 0,
  });
}

it("publishes every frame once and in order when nats-server is killed for ten seconds while a film runs", async () => {
  const film = cutFilm(folder, 300);
  const first = await serve();
  const worker = startWorker(belt(film, first.port, { source: { pace: "realtime" } }));
  await until("some frames to be published", async () => (await worker.metrics()).value("published_total") > 100);
  await first.kill();
  await until(
    "the worker to notice",
    async () => (await worker.metrics()).value("sink_connected", { sink: "nats" }) === 0,
  );
  const explained = async () => (await worker.metrics()).value("batch_size_sum");
  const before = await explained();
  await pause(10_000);
  const during = worker.isOver ? 0 : await explained();
  expect(worker.isOver, "it waits for the server").toBe(false);
  const second = await serve({ port: first.port, storeDir: first.storeDir });
  expect(await worker.ended).toEqual({ code: 0, signal: null });
  console.log(`${before} frames explained when nats-server was missed, ${during} when it came back`);
  expect(during).toBeGreaterThan(before);
  await expectAll(second.url, 300);
});

it("holds a film back while NATS is not there yet and the buffer is full, and loses nothing of it", async () => {
  const film = cutFilm(folder, 90);
  const port = await freePort();
  const worker = startWorker(belt(film, port, { sink: { bufferBytes: 400_000 } }));
  await until("the film to stand still", async () => {
    const before = (await worker.metrics()).value("frames_captured_total");
    await pause(700);
    return before > 0 && (await worker.metrics()).value("frames_captured_total") === before;
  });
  const held = await worker.metrics();
  expect(held.value("frames_captured_total")).toBeLessThan(90);
  expect(held.value("frames_dropped_total")).toBe(0);
  expect((await worker.get("/readyz")).status).toBe(503);
  expect((await worker.get("/healthz")).status).toBe(200);
  const server = await serve({ port });
  expect(await worker.ended).toEqual({ code: 0, signal: null });
  expect(worker.said).toEqual([]);
  await expectAll(server.url, 90);
});

it("ends within ten seconds of SIGTERM although NATS never came, and says in one sentence what is lost", async () => {
  const film = cutFilm(folder, 60);
  const full = startWorker(belt(film, await freePort(), { sink: { bufferBytes: 100_000 } }));
  const over = startWorker(belt(film, await freePort()));
  await until("one film to be held and the other to be over", async () => {
    // Explained, and in flight until they are published.
    const kept = (await over.metrics()).value("frames_in_flight");
    return kept === 60 && (await full.metrics()).value("frames_captured_total") > 10;
  });
  await pause(500);
  const at = performance.now();
  for (const worker of [full, over]) {
    expect(worker.isOver).toBe(false);
    worker.kill("SIGTERM");
  }
  for (const worker of [full, over]) {
    expect(await worker.ended).toEqual({ code: 1, signal: null });
    expect(worker.said).toHaveLength(1);
    expect(worker.said[0]).toMatch(
      /^video-explainer: .*\d+ summary messages were not confirmed by NATS within 4 s and lost: NATS server 127\.0\.0\.1:\d+ refuses connections/,
    );
  }
  expect(performance.now() - at).toBeLessThan(10_000);
  expect(over.log.map((line) => line.msg)).toContainEqual(
    expect.stringMatching(/^every source is over; \d+ messages wait for nats to come back$/),
  );
});
