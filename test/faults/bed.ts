import { readFileSync } from "node:fs";
import { connect, type NatsConnection } from "nats";
import { expect } from "vitest";
import type { SourceConfig } from "../../src/config/schema.js";
import type { SourceStatus } from "../../src/messages/summary.js";
import { childrenOf, INSPECTION, launchWorker, type Metrics, type Worker, writeConfig } from "../e2e/worker.js";
import { expectExact, expectExactLedgers } from "../support/ledgers.js";
import { storedMessages } from "../support/nats-client.js";
import { type NatsServer, type NatsServerOptions, startNatsServer } from "../support/nats-server.js";
import { pause, until } from "../support/sinks.js";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.js";
import { type Camera, startCamera } from "./camera.js";

export const STATION = "bed";
export const FPS = 10;

export interface Bed {
  /** `cam-1` …, each behind a wire of its own. */
  readonly cameras: readonly { name: string; camera: Camera; wire: TcpProxy }[];
  nats: NatsServer;
  /** Between the worker and `nats`. */
  readonly natsWire: TcpProxy;
  worker: Worker;
  /** Path of the worker's configuration. */
  readonly config: string;
  stop(): Promise<void>;
}

export interface BedOptions {
  cameras?: number;
  sources?: Partial<SourceConfig>[];
  sink?: object;
  more?: object;
  server?: NatsServerOptions;
}

/** Cameras, a worker and a nats-server with JetStream, all real, on wires that can be damaged. */
export async function makeBed({ cameras: count = 4, sources = [], sink, more, server }: BedOptions = {}): Promise<Bed> {
  const nats = await startNatsServer({ ...server, jetstream: true });
  const natsWire = await startTcpProxy(nats.port);
  const cameras = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const camera = await startCamera({ fps: FPS });
      return { name: `cam-${i + 1}`, camera, wire: await startTcpProxy(camera.port) };
    }),
  );
  const config = writeConfig({
    station: STATION,
    model: INSPECTION,
    sources: [
      ...cameras.map(({ name, wire }) => ({ name, url: `rtsp://127.0.0.1:${wire.port}/cam`, stallSeconds: 2 })),
      ...sources,
    ],
    sinks: [
      {
        kind: "nats",
        servers: [`nats://127.0.0.1:${natsWire.port}`],
        jetstream: true,
        publish: ["summary", "status"],
        ...sink,
      },
    ],
    ...more,
  });
  const bed: Bed = {
    cameras,
    nats,
    natsWire,
    worker: launchWorker(config),
    config,
    async stop() {
      if (!bed.worker.isOver) bed.worker.kill("SIGKILL");
      await bed.worker.ended;
      await Promise.all(cameras.map(({ camera }) => camera.kill()));
      await Promise.all([natsWire, ...cameras.map(({ wire }) => wire)].map((wire) => wire.close()));
      await bed.nats.stop();
    },
  };
  await until(
    "every camera to be live",
    async () => {
      const live = await liveSources(bed);
      return cameras.every(({ name }) => live.includes(name));
    },
    60_000,
  );
  // The first frames of a camera come in a burst.
  await pause(1500);
  return bed;
}

export async function liveSources(bed: Bed): Promise<string[]> {
  const metrics = await bed.worker.metrics().catch(() => undefined);
  const samples = metrics?.families.get("video_explainer_source_state")?.samples ?? [];
  return samples.filter((s) => s.labels.state === "live" && s.value === 1).map((s) => s.labels.source!);
}

export const stateOf = async (bed: Bed, source: string): Promise<string> => {
  const samples = (await bed.worker.metrics()).families.get("video_explainer_source_state")!.samples;
  return samples.find((s) => s.labels.source === source && s.value === 1)!.labels.state!;
};

export const untilState = (bed: Bed, source: string, state: string, ms = 45_000): Promise<void> =>
  until(`${source} to be ${state}`, async () => (await stateOf(bed, source)) === state, ms);

/** One scrape: every source's figures are of the same moment. */
export const capturedBy = (metrics: Metrics, source: string): number =>
  metrics.value("frames_captured_total", { source });

export interface Pace {
  /** Frames a second of each source that was to keep its pace. */
  rates: Record<string, number>;
  seconds: number;
}

/**
 * Runs something and asserts that the other sources kept their pace within 5 % meanwhile, over at least `least` seconds,
 * and that every ledger was exact at every look.
 */
export async function undisturbed(
  bed: Bed,
  others: readonly string[],
  work: () => Promise<unknown>,
  least = 8,
): Promise<Pace> {
  const began = performance.now();
  const before = await bed.worker.metrics();
  const from = performance.now();
  let isOver = false;
  const looking = (async () => {
    while (!isOver) {
      expectExact(await bed.worker.metrics());
      await pause(250);
    }
  })();
  try {
    await work();
    await pause(Math.max(0, least * 1000 - (performance.now() - began)));
  } finally {
    isOver = true;
    await looking;
  }
  const to = performance.now();
  const after = await bed.worker.metrics();
  const seconds = (to - from) / 1000;
  const rates = Object.fromEntries(
    others.map((name) => [name, (capturedBy(after, name) - capturedBy(before, name)) / seconds]),
  );
  // One frame more or less at the ends of the window is no change of pace.
  for (const [name, rate] of Object.entries(rates)) {
    expect(Math.abs(rate - FPS), `${name}: ${rate.toFixed(2)} frames/s`).toBeLessThanOrEqual(0.05 * FPS + 1 / seconds);
  }
  return { rates, seconds };
}

/** Process of the ffmpeg that reads an address. */
export function ffmpegOf(bed: Bed, name: string): number {
  const port = String(bed.cameras.find((c) => c.name === name)!.wire.port);
  const found = childrenOf(bed.worker.pid).find((pid) => {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return words.some((w) => w.includes(`:${port}/`)) && words.some((w) => w === "rawvideo");
  });
  if (found === undefined) throw new Error(`no ffmpeg reads ${name}`);
  return found;
}

export interface Audit {
  captured: number;
  published: number;
  dropped: Record<string, number>;
}

/**
 * After the worker's end: every ledger that was published is exact, the last ones have nothing in flight, and of each
 * source exactly the frames that count as explained or classified are in the stream, once and in order.
 */
export async function audit(bed: Bed, sources: readonly string[]): Promise<Record<string, Audit>> {
  const all = await storedMessages(bed.nats.url, `explain-${STATION}`);
  const found: Record<string, Audit> = {};
  for (const source of sources) {
    const of = (kind: string) => all.filter((m) => m.subject === `explain.${STATION}.${source}.${kind}`);
    const statuses = of("status").map((m) => JSON.parse(m.body.toString()) as SourceStatus);
    expectExactLedgers(statuses);
    const { captured, explained, classified, dropped, inFlight } = statuses.at(-1)!.ledger;
    const sequences = of("summary").map((m) => Number(m.headers["Frame-Sequence"]));
    expect(inFlight, source).toBe(0);
    expect(new Set(sequences).size, `${source}: a frame twice`).toBe(sequences.length);
    expect(sequences, `${source}: order`).toEqual([...sequences].sort((a, b) => a - b));
    expect(sequences.length, `${source}: explained frames are published`).toBe(explained + classified);
    expect(sequences.at(-1) ?? -1, source).toBeLessThan(captured);
    found[source] = { captured, published: sequences.length, dropped };
  }
  return found;
}

/** Asks the worker's service, past any damaged wire. */
export async function ask(nc: NatsConnection, subject: string, body: object = {}): Promise<Record<string, unknown>> {
  const answer = await nc.request(`video-explainer.${STATION}.${subject}`, JSON.stringify(body), { timeout: 30_000 });
  return answer.json();
}

export const client = (bed: Bed): Promise<NatsConnection> => connect({ servers: bed.nats.url });
