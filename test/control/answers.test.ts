import { connect, type NatsConnection } from "nats";
import { afterEach, expect, it } from "vitest";
import type { Control } from "../../src/control/control.js";
import { serveOn } from "../../src/control/nats-service.js";
import { InputError } from "../../src/errors.js";
import { silentLogger } from "../../src/log.js";
import { type SourceStatus, statusSchema } from "../../src/messages/summary.js";
import { RateLimitedLog } from "../../src/rate-limited-log.js";
import { cleanUps, start } from "../support/nats-sink.js";
import { pause } from "../support/sinks.js";

const rejections: unknown[] = [];
const note = (error: unknown): void => void rejections.push(error);
afterEach(() => {
  process.off("unhandledRejection", note);
  expect(rejections.splice(0)).toEqual([]);
});

const ledger = { captured: 0, explained: 0, classified: 0, dropped: { "newer-frame": 3 }, inFlight: 0 };
const chatty = (source: string): SourceStatus => ({
  schema: "source-status/1",
  ...{ station: "desk", source, state: "failed", reason: `ffmpeg gave up: ${"ä".repeat(5000)}`, restarts: 3, ledger },
  ...{ time: new Date().toISOString(), since: new Date().toISOString(), lastFrameAt: null },
  ffmpeg: Array.from({ length: 100 }, (_, i) => `[h264] error while decoding MB ${i} ${"7".repeat(80)}`),
});

/** The service on a control of which only some is there. */
async function serve(
  control: Partial<Control>,
  config?: string,
): Promise<{ served: NatsConnection; nc: NatsConnection }> {
  process.on("unhandledRejection", note);
  const server = await start({ config });
  const [served, nc] = await Promise.all([connect({ servers: server.url }), connect({ servers: server.url })]);
  cleanUps.push(
    () => nc.close(),
    () => served.close(),
  );
  const whole = { station: "desk", sources: () => ({ sources: [], total: ledger }), ...control } as Control;
  await serveOn(served, {
    sink: "nats",
    control: whole,
    groups: ["explain", "sources", "config"],
    inboxPrefixes: ["_INBOX"],
    log: silentLogger,
    refusals: new RateLimitedLog(),
    onAnswered() {},
  });
  return { served, nc };
}

it.each([
  [3, undefined],
  [130, undefined],
  [1000, undefined],
  [100, "max_payload: 65536"],
])("every one of %d sources is listed, however much its ffmpeg has said (%s)", async (count, config) => {
  const sources = Array.from({ length: count }, (_, i) => chatty(`cam-${i}`));
  const { nc } = await serve({ sources: () => ({ sources, total: ledger }) }, config);
  const answer = (await nc.request("video-explainer.desk.sources.list")).json<{ sources: SourceStatus[] }>();
  expect(answer.sources.map(({ source }) => source)).toEqual(sources.map(({ source }) => source));
  for (const status of answer.sources) statusSchema.parse(status);
  const [first] = answer.sources;
  if (count === 3) expect(first).toEqual(sources[0]);
  else expect(first!.reason).toMatch(/^ffmpeg gave up: ä+…$/);
  if (count === 130) expect(first!.ffmpeg).toEqual(sources[0]!.ffmpeg.slice(-20));
});

it("a source that is removed is told, however much its ffmpeg has said", async () => {
  const { nc } = await serve({ removeSource: async (name) => chatty(name) }, "max_payload: 8192");
  const answer = await nc.request("video-explainer.desk.sources.remove", JSON.stringify({ name: "cam" }));
  expect(answer.json<{ removed: SourceStatus }>().removed.source).toBe("cam");
});

it("no error of more than 1600 characters is answered", async () => {
  const fail = async () => {
    throw new InputError("source", `${"x".repeat(50_000)} is too long`);
  };
  const { nc } = await serve({ removeSource: fail });
  const answer = await nc.request("video-explainer.desk.sources.remove", JSON.stringify({ name: "cam" }));
  const { message } = answer.json<{ error: { message: string } }>().error;
  expect(message).toMatch(/^x+…[x…]* is too long$/);
  expect(message).toHaveLength(1600);
});

it.each([
  ["with the ledger", undefined, true],
  ["without the ledger where it would not fit", "max_payload: 1600", false],
])("statistics are answered %s", async (_name, config, withData) => {
  const { nc } = await serve({}, config);
  const found = [];
  for await (const stats of await nc.services.client().stats("video-explainer")) found.push(stats);
  expect(found).toHaveLength(1);
  expect(found[0]!.endpoints?.map(({ data }) => data)).toEqual(Array(6).fill(withData ? { total: ledger } : undefined));
});

it("statistics that cannot be sent, or are asked for as the connection ends, are left out", async () => {
  const { nc } = await serve({}, "max_payload: 600");
  nc.publish("$SRV.STATS", undefined, { reply: "_INBOX.nobody" });
  await pause(200);
  for (const end of ["drain", "close"] as const) {
    const { served, nc: other } = await serve({});
    for (let i = 0; i < 100; i++) other.publish("$SRV.STATS", undefined, { reply: "_INBOX.nobody" });
    await other.flush();
    await served[end]();
    await pause(100);
  }
});
