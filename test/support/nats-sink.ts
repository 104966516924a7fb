import { afterEach } from "vitest";
import { natsSinkSchema } from "../../src/config/schema.js";
import { createNatsSink } from "../../src/sinks/nats/index.js";
import { type NatsServer, type NatsServerOptions, startNatsServer } from "./nats-server.js";
import { recordingContext } from "./sinks.js";

/** Done after each test, the latest first. */
export const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanUps.splice(0).reverse()) await clean();
});

/** A real nats-server for one test. */
export async function start(options: NatsServerOptions = {}): Promise<NatsServer> {
  const server = await startNatsServer(options);
  cleanUps.push(() => server.stop());
  return server;
}

/** A sink for one test, not connected yet, and what it reports. */
export function sinkFor(more: object, baseDir?: string) {
  const { context, recorded } = recordingContext(baseDir);
  const sink = createNatsSink(natsSinkSchema.parse({ kind: "nats", ...more }), context);
  cleanUps.push(() => sink.close(0).catch(() => undefined));
  return { sink, recorded };
}

export async function connectedSink(more: object, baseDir?: string) {
  const made = sinkFor(more, baseDir);
  await made.sink.connect();
  return made;
}
