import fc from "fast-check";
import { connect, createInbox, type NatsConnection } from "nats";
import { expect, it } from "vitest";
import type { Control } from "../../src/control/control.js";
import { isInbox } from "../../src/control/inboxes.js";
import { serveOn } from "../../src/control/nats-service.js";
import type { Logger } from "../../src/log.js";
import { RateLimitedLog } from "../../src/rate-limited-log.js";
import { cleanUps, start } from "../support/nats-sink.js";

const total = { captured: 0, explained: 0, classified: 0, dropped: {}, inFlight: 0 };

interface Served {
  url: string;
  nc: NatsConnection;
  answered: string[];
  warned: string[];
  removed: string[];
}

/** The service on a control of which only some is there; `login` is the worker's. */
async function serve(config?: string, login: object = {}, asker: object = {}): Promise<Served> {
  const server = await start({ jetstream: true, config });
  const [served, nc] = await Promise.all([
    connect({ servers: server.url, ...login }),
    connect({ servers: server.url, ...asker }),
  ]);
  cleanUps.push(
    () => nc.close(),
    () => served.close(),
  );
  const answered: string[] = [];
  const warned: string[] = [];
  const removed: string[] = [];
  const log: Logger = { debug() {}, info() {}, warn: (text) => warned.push(text), error() {} };
  const control: Partial<Control> = {
    station: "desk",
    sources: () => ({ sources: [], total }),
    removeSource: async (name) => {
      removed.push(name);
      throw new Error("no such source");
    },
  };
  await serveOn(served, {
    sink: "nats",
    control: control as Control,
    groups: ["explain", "sources", "config"],
    inboxPrefixes: ["_INBOX", "_INBOX_ours"],
    log,
    refusals: new RateLimitedLog(),
    onAnswered: (...answer) => answered.push(answer.join(" ")),
  });
  return { url: server.url, nc, answered, warned, removed };
}

const HOSTILE = [
  "$JS.API.STREAM.PURGE.explain-desk",
  "$JS.ACK.explain-desk.c.1.1.1.1.1",
  "$SRV.PING",
  "$SYS.REQ.SERVER.PING",
  "explain.desk.cam-1.summary",
  "video-explainer.desk.sources.remove",
  "_INBOX",
  "_INBOX.",
  "_INBOX..a",
  "_INBOX.*",
  "_INBOX.>",
  "_INBOXES.a",
  "_inbox.a",
  "_GR_.a.b.$JS.API.STREAM.PURGE.explain-desk",
  "_R_",
  "a",
  `_INBOX.${"a".repeat(600)}`,
];

it("only inboxes are answered to, whatever a reply subject begins with", () => {
  for (const reply of HOSTILE) expect(isInbox(reply, ["_INBOX"]), reply).toBe(false);
  for (const reply of [createInbox(), "_R_.x1Yz9A.B2", "_INBOX_me.1.2", "ours.in.1"])
    expect(isInbox(reply, ["_INBOX", "_INBOX_me", "ours.in"]), reply).toBe(true);
  const part = fc.constantFrom("_INBOX", "_R_", "$JS", "explain", "desk", "*", ">", "", " ", ".", "a", "_INBOX_");
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), fc.constantFrom(".", ""), (parts, between) => {
      const reply = parts.join(between);
      const right = /^(_INBOX|_R_)(\.[^.\s*>]+)+$/.test(reply);
      expect(isInbox(reply, ["_INBOX"])).toBe(right);
    }),
    { seed: 13, numRuns: 2000 },
  );
});

it("a reply subject that is no inbox is not published to, by the service's answers, its errors or its description", async () => {
  const { nc, url, answered, warned, removed } = await serve();
  const jsm = await nc.jetstreamManager();
  await jsm.streams.add({ name: "explain-desk", subjects: ["explain.desk.>"] });
  await nc.jetstream().publish("explain.desk.cam-1.summary", "real");
  const spy = await connect({ servers: url });
  cleanUps.push(() => spy.close());
  const heard: string[] = [];
  spy.subscribe(">", { callback: (_, message) => heard.push(message.subject) });
  await spy.flush();
  const asked = [
    "video-explainer.desk.sources.list",
    "video-explainer.desk.sources.remove",
    "video-explainer.desk.explain",
    "$SRV.PING",
    "$SRV.INFO",
    "$SRV.STATS.video-explainer",
  ];
  for (const reply of HOSTILE) for (const subject of asked) nc.publish(subject, '{"name":"cam-1"}', { reply });
  // Requests are taken in order, so what came before this one was looked at.
  await nc.request("video-explainer.desk.sources.list", "{}");
  await nc.request("$SRV.PING");
  await spy.flush();
  expect(heard.filter((subject) => !asked.includes(subject) && !subject.startsWith("_INBOX.")).sort()).toEqual([]);
  // Some the server itself does not let through. An answer among the requests would be one too many.
  const delivered = heard.filter((subject) => subject === "video-explainer.desk.sources.list").length - 1;
  expect(delivered).toBeGreaterThan(10);
  const times = asked.map((subject) => heard.filter((one) => one === subject).length);
  expect(times).toEqual([1, 0, 0, 1, 0, 0].map((more) => delivered + more));
  expect(removed).toEqual([]);
  expect((await jsm.streams.info("explain-desk")).state).toMatchObject({ messages: 1, first_seq: 1 });
  const counts = (outcome: string) => answered.filter((line) => line === outcome).length;
  for (const name of ["sources-list", "sources-remove", "explain"])
    expect(counts(`${name} reply-refused`), name).toBe(delivered);
  expect(counts("discovery reply-refused")).toBe(3 * delivered);
  expect(warned).toEqual([
    'nats: a request was not answered, the last one of sources-list with "$JS.API.STREAM.PURGE.explain-desk" for a reply subject, which is no inbox; when the asker is one of yours, name the prefix of its inboxes in inboxPrefixes (now _INBOX, _INBOX_ours)',
  ]);
});

it("inboxes with a prefix of their own are answered to where the configuration names it", async () => {
  const { nc, url } = await serve();
  for (const inboxPrefix of ["_INBOX_ours", "_INBOX_theirs"]) {
    const other = await connect({ servers: url, inboxPrefix });
    cleanUps.push(() => other.close());
    const isOurs = inboxPrefix === "_INBOX_ours";
    const asking = other.request("video-explainer.desk.sources.list", "{}", { timeout: isOurs ? 20_000 : 1000 });
    if (isOurs) expect((await asking).json()).toEqual({ sources: [], total });
    else await expect(asking).rejects.toThrow("TIMEOUT");
  }
  await nc.flush();
});

it("requests of another account, whose reply subject the server rewrites, are answered", async () => {
  const accounts = `accounts {
    PLANT: { users: [{ user: worker, password: w }], exports: [{ service: "video-explainer.desk.>" }] }
    OFFICE: { users: [{ user: clerk, password: c }], imports: [{ service: { account: PLANT, subject: "video-explainer.desk.>" } }] }
  }`;
  const { nc } = await serve(accounts, { user: "worker", pass: "w" }, { user: "clerk", pass: "c" });
  expect((await nc.request("video-explainer.desk.sources.list", "{}")).json()).toEqual({ sources: [], total });
});

it("without a reply subject what changes something is done, and what only answers is not", async () => {
  const { nc, answered, removed, warned } = await serve();
  nc.publish("video-explainer.desk.explain", "a picture");
  nc.publish("video-explainer.desk.sources.remove", '{"name":"cam-1"}');
  await nc.request("video-explainer.desk.sources.list", "{}");
  expect(removed).toEqual(["cam-1"]);
  expect(answered.sort()).toEqual(["explain no-reply", "sources-list ok", "sources-remove 500"]);
  expect(warned).toEqual([
    "nats: a request was not answered, the last one of explain without a reply subject; ask with one, as nats request does",
  ]);
});
