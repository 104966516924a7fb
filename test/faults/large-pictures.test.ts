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
