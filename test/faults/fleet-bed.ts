import { expect } from "vitest";
import type { SourceStatus, Summary } from "../../src/messages/summary.js";
import { BOTTLES, INSPECTION, launchWorker, type Worker, writeConfig } from "../e2e/worker.js";
import { expectExact, expectExactLedgers } from "../support/ledgers.js";
import { storedMessages } from "../support/nats-client.js";
import { pause, until } from "../support/sinks.js";

export const STATION = "line-1";
/** A film, of which nothing may be lost, and a camera, of which what is old is left out. */
const SOURCES = [
  { name: "film", url: BOTTLES, policy: "every-frame", pace: "realtime", loop: true, fps: 15 },
  { name: "camera", url: "testsrc", fps: 10, width: 320, height: 240 },
];

export interface FleetBed {
  readonly capture: Worker;
  /** Kills one of the explain workers, or another process of it, at once, and starts it again. */
  killWorker(which: number): Promise<void>;
  /** Stops the capture; what it published must be what it counts. */
  finish(): Promise<Record<string, SourceStatus["ledger"]>>;
  stop(): Promise<void>;
}

export interface FleetBedOptions {
  workers?: number;
  /** Default: `url` alone. */
  servers?: readonly string[];
  fleet?: object;
  sink?: object;
  sources?: readonly object[];
}

/** One capture and some explain workers, all real processes, on streams of a real server. */
export async function makeFleetBed(url: string, options: FleetBedOptions = {}): Promise<FleetBed> {
  const { workers: count = 3, servers = [url], fleet = {}, sink = {}, sources = SOURCES } = options;
  const common = {
    station: STATION,
    model: INSPECTION,
    engine: { threads: 1 },
    fleet: { servers, ackWaitSeconds: 2, ...fleet },
  };
  const worker = writeConfig({ ...common, role: "explain" });
  const nats = { kind: "nats", servers, jetstream: true, publish: ["summary", "status"], ...sink };
  const capture = launchWorker(writeConfig({ ...common, role: "capture", sources, sinks: [nats] }));
  const workers = Array.from({ length: count }, () => launchWorker(worker));
  const explained = async (): Promise<number> => (await capture.metrics()).value("frames_explained_total");
  await until("frames to be explained", async () => (await explained()) > 0, 120_000);
  const end = async (each: Worker): Promise<void> => {
    if (!each.isOver) each.kill("SIGKILL");
    await each.ended;
  };
  return {
    capture,
    async killWorker(which) {
      await end(workers[which % count]!);
      workers[which % count] = launchWorker(worker);
    },
    async finish() {
      capture.kill("SIGTERM");
      expect(await capture.ended).toEqual({ code: 0, signal: null });
      return auditFleet(url, sources as readonly { name: string; policy?: string }[]);
    },
    async stop() {
      await Promise.all([capture, ...workers].map(end));
    },
  };
}

/** Each captured frame once, as a subscriber sees it by message id and in order, or counted under a reason. */
async function auditFleet(url: string, sources: readonly { name: string; policy?: string }[]) {
  const ledgers: Record<string, SourceStatus["ledger"]> = {};
  const stored = await storedMessages(url, `explain-${STATION}`);
  expect(new Set(stored.map(({ id }) => id)).size, "ids").toBe(stored.length);
  for (const { name, policy } of sources) {
    const of = (kind: string) => stored.filter(({ subject }) => subject === `explain.${STATION}.${name}.${kind}`);
    const summaries = of("summary").map(({ body }) => JSON.parse(body.toString()) as Summary);
    const sequences = summaries.map(({ sequence }) => sequence);
    expect(sequences, `${name} in order, none twice`).toEqual([...new Set(sequences)].sort((a, b) => a - b));
    const statuses = of("status").map(({ body }) => JSON.parse(body.toString()) as SourceStatus);
    expectExactLedgers(statuses);
    const { ledger } = statuses.at(-1)!;
    expect({ inFlight: ledger.inFlight, queued: ledger.queued }, name).toEqual({ inFlight: 0, queued: 0 });
    expect(summaries.length, `${name}: what is published is what is counted`).toBe(
      ledger.explained + ledger.classified,
    );
    if (policy === "every-frame") expect(Object.keys(ledger.dropped), name).not.toContain("unanswered");
    ledgers[name] = ledger;
  }
  return ledgers;
}

/** Looks at the capture's ledger again and again while something is done. */
export async function whileExact(bed: FleetBed, act: () => Promise<void>): Promise<number> {
  let [looks, isOver] = [0, false];
  const acting = act().finally(() => {
    isOver = true;
  });
  while (!isOver) {
    expectExact(await bed.capture.metrics());
    looks++;
    await pause(100);
  }
  await acting;
  return looks;
}
