import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { SourceStatus } from "../../src/messages/summary.js";
import { INSPECTION, launchWorker, temporaryFolder, type Worker, writeConfig } from "../e2e/worker.js";
import { expectExact } from "../support/ledgers.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { pause, until } from "../support/sinks.js";
import { countFrom, heldBy } from "./resources.js";

// CYCLES=1000 npx vitest run test/faults/sources.test.ts
const CYCLES = countFrom("CYCLES", 40);
/** Sources open and close, and what is used once and kept is there, before what is held is counted. */
const WARM_UP = 20;

let nats: NatsServer;
let worker: Worker;
let nc: NatsConnection;
beforeAll(async () => {
  nats = await startNatsServer({ jetstream: true });
  const config = {
    station: "gate",
    model: INSPECTION,
    sources: [{ name: "stays", url: "testsrc", width: 320, fps: 10 }],
    sinks: [
      { kind: "nats", servers: [nats.url], jetstream: true, publish: ["summary", "status"] },
      { kind: "files", path: "out", publish: ["status"] },
      { kind: "viewer", port: 0 },
    ],
  };
  worker = launchWorker(writeConfig(config, temporaryFolder()));
  nc = await connect({ servers: nats.url });
  await until("the worker to be ready", async () => (await worker.get("/readyz")).status === 200);
});
afterAll(async () => {
  await nc.close();
  worker.kill("SIGKILL");
  await worker.ended;
  await nats.stop();
});

async function ask<T>(subject: string, body: object = {}): Promise<T> {
  const answer = await nc.request(`video-explainer.gate.${subject}`, JSON.stringify(body), { timeout: 20_000 });
  expect(answer.headers?.get("Nats-Service-Error") ?? "").toBe("");
  return answer.json();
}
const capturedBy = async (source: string): Promise<number> =>
  (await worker.metrics()).value("frames_captured_total", { source });

async function cycle(name: string): Promise<number> {
  await ask("sources.add", { name, url: "testsrc", width: 160, height: 90, fps: 50 });
  await until(`a frame of ${name}`, async () => (await capturedBy(name)) > 0);
  const { removed } = await ask<{ removed: SourceStatus }>("sources.remove", { name });
  const { captured, explained, dropped, inFlight } = removed.ledger;
  const lost = Object.values(dropped).reduce((sum, n) => sum + n, 0);
  expect([removed.state, inFlight, explained + lost]).toEqual(["ended", 0, captured]);
  return captured;
}

it(
  `${CYCLES} sources added and removed on the running worker leave descriptors, children and memory as they were`,
  async () => {
    let frames = 0;
    for (let i = 0; i < WARM_UP; i++) frames += await cycle("guest");
    const before = heldBy(worker.pid);
    const rss: number[] = [];
    for (let i = 0; i < CYCLES; i++) {
      // Half of them under one name, half under names that never come again.
      frames += await cycle(i % 2 === 0 ? "guest" : `guest-${i}`);
      if ((i + 1) % Math.ceil(CYCLES / 10) === 0) rss.push(heldBy(worker.pid).rssMiB);
    }
    await until("the last process to be gone", () => heldBy(worker.pid).children <= before.children);
    await pause(500);
    const after = heldBy(worker.pid);
    const line = ({ rssMiB, descriptors, children }: typeof before): string =>
      `${rssMiB.toFixed(0)} MiB, ${descriptors} descriptors, ${children} children`;
    console.log(
      `${CYCLES} cycles, ${frames} frames: ${line(before)} before, ${line(after)} after\nMiB after each tenth: ${rss.map((r) => r.toFixed(0)).join(" ")}`,
    );
    expect(after.children).toBe(before.children);
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + 4);
    // The heap first grows to the size it works at.
    expect(after.rssMiB).toBeLessThan(rss[Math.floor(rss.length / 2)]! + 40);

    const metrics = await worker.metrics();
    expectExact(metrics);
    // Nothing is left of those that are gone but their part in the whole.
    const sources = metrics.families.get("video_explainer_frames_captured_total")!.samples.map((s) => s.labels.source);
    expect(sources).toEqual(["stays"]);
    const stays = await capturedBy("stays");
    expect((await worker.metrics()).value("station_frames_total", { outcome: "captured" })).toBeGreaterThanOrEqual(
      stays + frames,
    );
    const { sources: listed } = await ask<{ sources: SourceStatus[] }>("sources.list");
    expect(listed.map(({ source }) => source)).toEqual(["stays"]);
  },
  60_000 + CYCLES * 1500,
);
