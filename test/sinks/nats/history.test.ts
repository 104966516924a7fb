import sharp from "sharp";
import { beforeAll, expect, it } from "vitest";
import { natsSinkSchema, viewerSinkSchema } from "../../../src/config/schema.js";
import { historyPermissions, sinkPermissions } from "../../../src/sinks/nats/permissions.js";
import { createViewerSink } from "../../../src/sinks/viewer/index.js";
import { cleanUps, connectedSink, start } from "../../support/nats-sink.js";
import { recordingContext, STATION, until } from "../../support/sinks.js";
import { frame, status, summary } from "../viewer-stream.js";

let picture: Buffer;
beforeAll(async () => {
  picture = await sharp({ create: { width: 64, height: 48, channels: 3, background: "red" } })
    .jpeg()
    .toBuffer();
});

const EARLIER = Date.now() - 600_000;

/** A frame of an earlier run of that class, `second` seconds after its begin, with an overlay unless it says otherwise. */
function past(source: string, second: number, label: string, { overlay = true, epoch = EARLIER } = {}) {
  const time = new Date(EARLIER + second * 1000).toISOString();
  const target = { index: 0, label, probability: 0.9 };
  const classification = { top: [target], target: { ...target, logit: 4 } };
  const of = summary(source, second, { capturedAt: time, publishedAt: time, classification });
  return frame(of, { epoch, heatmap: picture, ...(overlay ? { overlay: picture } : {}) });
}

async function page(nats: object, { sources = ["belt", "hall"], history = {} } = {}) {
  const { context, recorded } = recordingContext();
  const config = viewerSinkSchema.parse({ kind: "viewer", port: 0, history });
  const given = { nats: natsSinkSchema.parse({ kind: "nats", jetstream: true, ...nats }), sources };
  const sink = createViewerSink(config, { ...context, past: given });
  await sink.connect();
  cleanUps.push(() => sink.close(500));
  const list = async (query = "") => {
    const answer = await fetch(new URL(`decisions.json${query}`, sink.url));
    return ((await answer.json()) as { decisions: { source: string; label: string; at: string; pictures: object }[] })
      .decisions;
  };
  return { sink, recorded, list };
}

async function published(url: string, outcomes: ReturnType<typeof past>[]): Promise<void> {
  const { sink } = await connectedSink({ servers: [url], jetstream: true, publish: ["summary", "overlay", "heatmap"] });
  for (const outcome of outcomes) await sink.write(outcome);
  await sink.flushed!();
  await sink.close(5_000);
}

it("a page begins with the decisions that earlier runs published, as it would have kept them, with their pictures", async () => {
  const server = await start({ jetstream: true });
  await published(server.url, [
    // Each change, and one every five seconds of what stays the same.
    ...[0, 1, 2, 3, 4, 5, 6].map((second) => past("belt", second, "pass")),
    past("belt", 7, "scratch", { overlay: false }),
    past("belt", 8, "pass"),
    past("hall", 1, "empty"),
    past("removed", 1, "pass"),
    // Of this run: it comes as itself.
    past("belt", 9, "dent", { epoch: Date.now() + 60_000 }),
  ]);
  const { sink, recorded, list } = await page({ servers: [server.url] });
  await until("five decisions", async () => (await list()).length === 5);
  await until("its end", () => recorded.log.includes("5 decisions of earlier runs are on the live page"));
  // A live one comes behind them.
  await sink.write(status("belt"));
  const label = "live";
  const target = { index: 0, label, probability: 0.9, logit: 4 };
  const classification = { top: [{ index: 0, label, probability: 0.9 }], target };
  await sink.write(frame(summary("belt", 100, { classification }), { overlay: picture }));
  await until("the live one", async () => (await list()).length === 6);
  const belt = await list("?source=belt");
  expect(belt.map(({ label }) => label)).toEqual(["live", "pass", "scratch", "pass", "pass"]);
  expect(belt.slice(1).map(({ at }) => (Date.parse(at) - EARLIER) / 1000)).toEqual([8, 7, 5, 0]);
  expect(belt.slice(1).map(({ pictures }) => Object.keys(pictures).sort().join())).toEqual([
    "heatmap,overlay,thumbnail",
    "heatmap,thumbnail",
    "heatmap,overlay,thumbnail",
    "heatmap,overlay,thumbnail",
  ]);
  expect((await list()).map(({ source }) => source)).not.toContain("removed");
  expect(recorded.errors).toEqual([]);
});

it("of a long stream the newest are looked at, no more than it says", async () => {
  const server = await start({ jetstream: true });
  await published(
    server.url,
    Array.from({ length: 40 }, (_, i) => past("belt", 10 * i, `class-${i}`)),
  );
  const labels = async (messages: number): Promise<string[]> => {
    const { recorded, list } = await page({ servers: [server.url] }, { history: { messages } });
    await until("its end", () => recorded.log.some((line) => line.includes("decisions of earlier runs")));
    return (await list()).map(({ label }) => label);
  };
  const newestFirst = Array.from({ length: 40 }, (_, i) => `class-${39 - i}`);
  expect(await labels(40)).toEqual(newestFirst);
  const few = await labels(12);
  expect(few).toEqual(newestFirst.slice(0, few.length));
  expect(few.length).toBeGreaterThanOrEqual(6);
  expect(few.length).toBeLessThanOrEqual(12);
});

it("is read by the user that its sink has, who may do no more than both need", async () => {
  const nats = natsSinkSchema.parse({ kind: "nats", jetstream: true, service: [] });
  const needs = [sinkPermissions(nats, STATION), historyPermissions(nats, STATION)];
  const subjects = (key: "publish" | "subscribe"): string => JSON.stringify(needs.flatMap((one) => one[key]));
  const permissions = `{ publish: ${subjects("publish")}, subscribe: ${subjects("subscribe")} }`;
  const config = `authorization { users: [{ user: own, password: secret-7, permissions: ${permissions} }] }`;
  const { url } = await start({ jetstream: true, config });
  const login = { servers: [url], user: "own", password: "secret-7", service: [] };
  const { sink } = await connectedSink({ ...login, jetstream: true, publish: ["summary", "overlay"] });
  for (let second = 0; second < 40; second += 10) await sink.write(past("belt", second, "pass"));
  await sink.flushed!();
  const { recorded, list } = await page(login, { history: { messages: 3 } });
  await until("its end", () => recorded.log.some((line) => line.includes("of earlier runs")));
  expect((await list()).length).toBeGreaterThan(0);
});

it("a stream that is not there, and one that may not be read, is one sentence; the page goes on", async () => {
  const permissions = '{ publish: ["explain.>", "_INBOX.>", "$JS.API.STREAM.>"], subscribe: [">"] }';
  const user = (name: string, more: string): string => `{ user: ${name}, password: secret-7, ${more} }`;
  const config = `authorization { users: [${user("all", "")}, ${user("few", `permissions: ${permissions}`)}] }`;
  const server = await start({ jetstream: true, config });
  const login = { servers: [server.url], password: "secret-7" };
  const none = await page({ ...login, user: "all" });
  await until("its word", () => none.recorded.log.length > 1);
  expect(none.recorded.log[1]).toBe("the strips of decisions begin empty: there is no stream explain-line-3 yet");
  const { sink } = await connectedSink({ ...login, user: "all", jetstream: true });
  await sink.write(past("belt", 0, "pass"));
  await sink.flushed!();
  const denied = await page({ ...login, user: "few" });
  await until("its word", () => denied.recorded.log.length > 1);
  expect(denied.recorded.log.slice(1)).toEqual([
    "the strips of decisions begin without those of earlier runs: stream explain-line-3 cannot be read; grant the NATS user what video-explainer permissions prints, or leave history out",
  ]);
  await denied.sink.write(frame(summary("belt", 100), { overlay: picture }));
  await until("a live one", async () => (await denied.list()).length === 1);
});
