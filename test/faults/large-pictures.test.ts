import { readFileSync } from "node:fs";
import { connect } from "nats";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { INSPECTION, launchWorker, type Worker, writeConfig } from "../e2e/worker.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { until } from "../support/sinks.js";
import { heldBy } from "./resources.js";

let nats: NatsServer;
let worker: Worker;
beforeAll(async () => {
  nats = await startNatsServer();
  worker = launchWorker(
    writeConfig({ station: "desk", model: INSPECTION, sources: [], sinks: [{ kind: "nats", servers: [nats.url] }] }),
  );
  await until("the worker to be ready", async () => (await worker.get("/readyz")).status === 200);
});
afterAll(async () => {
  worker.kill("SIGKILL");
  await worker.ended;
  await nats.stop();
});

/** Most that the process ever held. */
const peakMiB = (): number =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${worker.pid}/status`, "utf8"))![1]) / 1024;

it("small files that unfold to much are refused by what they would take, and those that are not share one budget", async () => {
  const nc = await connect({ servers: nats.url });
  const before = peakMiB();
  const deep = (side: number) =>
    sharp({ create: { width: side, height: side, channels: 4, background: { r: 60, g: 60, b: 90, alpha: 0.5 } } });
  const refused = await deep(6000).avif({ effort: 0, bitdepth: 10 }).toBuffer();
  const taken = await deep(2500).avif({ effort: 0, bitdepth: 10 }).toBuffer();
  const wide = await deep(4000).toColourspace("rgb16").png({ progressive: true }).toBuffer();
  expect(refused.length).toBeLessThan(10_000);
  const codes = await Promise.all(
    [refused, taken, taken, wide, refused, taken, wide, taken, refused].map((body) =>
      nc
        .request("video-explainer.desk.explain", body, { timeout: 120_000 })
        .then((answer) => answer.headers?.get("Nats-Service-Error-Code") ?? ""),
    ),
  );
  await nc.close();
  console.log(`MiB at most: ${before.toFixed(0)} before, ${peakMiB().toFixed(0)} after`);
  expect(codes).toEqual(["413", "", "", "", "413", "", "", "", "413"]);
  expect(peakMiB()).toBeLessThan(before + 800);
}, 180_000);

it("eight pictures of 49 megapixels take the memory of one", async () => {
  const nc = await connect({ servers: nats.url });
  const picture = await sharp({ create: { width: 7000, height: 7000, channels: 3, background: "#446" } })
    .jpeg()
    .toBuffer();
  const held = [heldBy(worker.pid).rssMiB];
  for (let i = 0; i < 8; i++) {
    const answer = await nc.request("video-explainer.desk.explain", picture, { timeout: 60_000 });
    expect(answer.headers?.get("Nats-Service-Error") ?? "").toBe("");
    held.push(heldBy(worker.pid).rssMiB);
  }
  await nc.close();
  console.log(`MiB held: ${held.map((mib) => mib.toFixed(0)).join(", ")}`);
  // One is 147 million bytes, and each is held as decoded, as shared, and as drawn.
  expect(Math.max(...held)).toBeLessThan(held[0]! + 1000);
});
