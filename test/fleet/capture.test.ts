import { connect, type JetStreamManager, type NatsConnection } from "nats";
import { afterEach, expect, it } from "vitest";
import { configSchema } from "../../src/config/schema.js";
import { FleetCapture } from "../../src/fleet/capture.js";
import { consumerName, streamNames } from "../../src/fleet/names.js";
import { silentLogger } from "../../src/log.js";
import { createMetrics } from "../../src/metrics/metrics.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { until } from "../support/sinks.js";

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function connected(): Promise<{ capture: FleetCapture; jsm: JetStreamManager }> {
  const server: NatsServer = await startNatsServer({ jetstream: true });
  ends.push(() => server.stop());
  const config = configSchema.shape.fleet.parse({ servers: [server.url] });
  const metrics = createMetrics().fleet;
  const capture = new FleetCapture({ config, station: "line-1", baseDir: "/", log: silentLogger, metrics });
  ends.push(() => capture.close());
  const nc: NatsConnection = await connect({ servers: server.url });
  ends.push(() => nc.close());
  capture.link.connect();
  await until("a session", () => capture.link.current !== undefined);
  return { capture, jsm: await nc.jetstreamManager() };
}

const { frames } = streamNames("VIDEO_EXPLAINER");
const isThere = (jsm: JetStreamManager, work: string): Promise<boolean> =>
  jsm.consumers.info(frames, consumerName(work)).then(
    () => true,
    () => false,
  );

it("a capture keeps the queue of a work as long as one of its explainers asks for it, and makes it again when it is gone", async () => {
  const { capture, jsm } = await connected();
  const work = "0123456789abcdef";
  // One that takes the place of another, and does the same.
  await capture.addWork(work);
  await capture.addWork(work);
  capture.removeWork(work);
  expect(await isThere(jsm, work)).toBe(true);
  await jsm.consumers.delete(frames, consumerName(work));
  await until("it to be made again", () => isThere(jsm, work), 60_000);
}, 120_000);
