import { connect, type NatsConnection } from "nats";
import { afterEach, expect, it } from "vitest";
import type { Summary } from "../../src/messages/summary.js";
import { runCli } from "../cli/run-cli.js";
import { expectExact } from "../support/ledgers.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { until } from "../support/sinks.js";
import { cutFilm } from "./films.js";
import { publishedBy, readSummary, upTo } from "./topics.js";
import { INSPECTION, ROOT, START_MS, startWorker, temporaryFolder, writeConfig } from "./worker.js";

const STATION = "line-1";
const FRAMES = 60;
const folder = temporaryFolder();
const servers: NatsServer[] = [];
const clients: NatsConnection[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  for (const server of servers.splice(0)) await server.stop();
});

async function serve(config?: string): Promise<NatsServer> {
  const server = await startNatsServer({ jetstream: true, config });
  servers.push(server);
  return server;
}

async function client(url: string, user?: string): Promise<NatsConnection> {
  const nc = await connect({ servers: url, ...(user !== undefined && { user, pass: "fleet-77" }) });
  clients.push(nc);
  return nc;
}

/** What the server refuses of these, as this user. */
async function refused(url: string, user: string, publish: readonly string[], subscribe: readonly string[]) {
  const nc = await client(url, user);
  const found: string[] = [];
  void (async () => {
    for await (const { permissionContext: context } of nc.status())
      if (context) found.push(`${context.operation} ${context.subject}`);
  })();
  for (const subject of publish) nc.publish(subject, "{}", { reply: "_INBOX.x" });
  for (const subject of subscribe) nc.subscribe(subject, { callback() {} });
  await nc.flush();
  const all = [
    ...publish.map((subject) => `publish ${subject}`),
    ...subscribe.map((subject) => `subscription ${subject}`),
  ];
  await until("each to be refused", () => found.length >= all.length).catch(() => undefined);
  expect([...found].sort()).toEqual([...all].sort());
}

/** The figures of a summary that do not depend on when and where it was made, but for the last digits: batches differ. */
const figures = ({ classification, relevance }: Summary): number[] => [
  classification.target.index,
  classification.target.probability,
  relevance!.positive,
  relevance!.concentration,
  ...relevance!.grid.values,
];
const TOLERANCE = 1e-4;

function expectAlike(found: readonly Summary[], expected: readonly Summary[]): void {
  expect(found.map(({ sequence }) => sequence)).toEqual(expected.map(({ sequence }) => sequence));
  const differences = found.map((summary, k) => {
    const other = figures(expected[k]!);
    return Math.max(...figures(summary).map((value, i) => Math.abs(value - other[i]!)));
  });
  expect(Math.max(...differences)).toBeLessThan(TOLERANCE);
}

it("a film that is explained elsewhere says what it says in one process, by users that may do no more than they need", async () => {
  const film = cutFilm(folder, FRAMES);
  const common = { station: STATION, model: INSPECTION, engine: { threads: 1 } };
  const sources = [{ name: "belt", url: film }];
  const split = (servers: string, user: string) => ({
    ...common,
    sources,
    sinks: [{ kind: "nats", servers: [servers], jetstream: true, user, password: "fleet-77", service: [] }],
    fleet: { servers: [servers], user, password: "fleet-77", ackWaitSeconds: 60 },
  });
  const draft = writeConfig(split("nats://127.0.0.1:1", "any"));
  const blocks = await Promise.all(
    ["capture", "explain"].map((role) => runCli(["permissions", draft, "--role", role])),
  );
  const users = ["capture", "explain"].map(
    (user, i) => `{ user: ${user}, password: "fleet-77", ${blocks[i]!.stdout.replace(/^#.*\n/, "")} }`,
  );
  const admin = `no_auth_user: admin\nauthorization { users: [ { user: admin, password: "fleet-77" }, `;
  const { url } = await serve(`${admin}${users.join(", ")} ] }`);

  const alone = startWorker({ ...common, sources, sinks: [{ kind: "stdout" }] });
  const capture = startWorker({ ...split(url, "capture"), role: "capture" });
  const first = startWorker({ ...split(url, "explain"), role: "explain" });
  const answered = async () => (await first.metrics()).value("fleet_answers_total", { outcome: "explained" });
  await until("the first to explain", async () => (await answered()) > 0, START_MS);
  // What it has not begun it gives back: another need not wait until it would be missed.
  first.kill("SIGTERM");
  expect(await first.ended).toEqual({ code: 0, signal: null });
  const second = startWorker({ ...split(url, "explain"), role: "explain" });
  expect(await capture.ended).toEqual({ code: 0, signal: null });
  expect(await alone.ended).toEqual({ code: 0, signal: null });
  second.kill("SIGTERM");
  expect(await second.ended).toEqual({ code: 0, signal: null });

  const { summaries, statuses } = await publishedBy(url, STATION, "belt");
  const expected = alone.stdout.trim().split("\n").map(readSummary);
  expect(summaries.map(({ sequence }) => sequence)).toEqual(upTo(FRAMES));
  expectAlike(summaries, expected);
  expect(new Set(summaries.map(({ model }) => model.engine))).toEqual(
    new Set(expected.map(({ model }) => model.engine)),
  );
  expect(statuses.at(-1)!.ledger).toMatchObject({ captured: FRAMES, explained: FRAMES, inFlight: 0, queued: 0 });

  const work = /explain-([0-9a-f]{16})/.exec(blocks[1]!.stdout)![1]!;
  const [f, r] = ["VIDEO_EXPLAINER_FRAMES", "VIDEO_EXPLAINER_RESULTS"];
  const api = "$JS.API";
  const others = [
    `${api}.STREAM.DELETE.${f}`,
    `${api}.STREAM.PURGE.${f}`,
    `${api}.STREAM.CREATE.other`,
    `${api}.STREAM.NAMES`,
  ];
  await refused(
    url,
    "explain",
    [
      ...others,
      `${f}.${work}.${STATION}.belt`,
      `${api}.CONSUMER.CREATE.${f}.a.${f}.>`,
      `explain.${STATION}.belt.summary`,
    ],
    [`${r}.>`, `${f}.>`, "explain.>"],
  );
  await refused(
    url,
    "capture",
    [
      ...others,
      `${f}.${work}.line-2.belt`,
      `${r}.${STATION}.run`,
      `${api}.CONSUMER.MSG.NEXT.${f}.explain-${work}`,
      `${api}.CONSUMER.CREATE.${r}.a.${r}.line-2.run`,
      `${api}.CONSUMER.CREATE.${r}.a`,
      `${api}.CONSUMER.DELETE.${f}.explain-${work}`,
      `explain.line-2.belt.summary`,
    ],
    [`${f}.>`, `${r}.>`],
  );
}, 480_000);

it("a queue without workers of its model drops live frames under reasons of their own, holds the film, and takes nothing from strangers", async () => {
  const { url } = await serve();
  const fleet = {
    servers: [url],
    picture: "raw",
    maxAgeMs: 3000,
    answerSeconds: 3,
    // Some twenty frames of 96x96 pixels.
    stream: { maxBytes: 560_000 },
  };
  const common = { station: STATION, engine: { threads: 1 }, fleet };
  const other = startWorker({ ...common, model: { path: `${ROOT}/models/inspection-vgg` }, role: "explain" });
  const capture = startWorker({
    ...common,
    model: INSPECTION,
    role: "capture",
    sources: [
      { name: "belt", url: cutFilm(folder, 12) },
      { name: "camera", url: "testsrc", fps: 10, width: 320, height: 240 },
    ],
    sinks: [{ kind: "nats", servers: [url], jetstream: true, publish: ["summary", "status"] }],
  });
  const dropped = async (reason: string, source = "camera") =>
    (await capture.metrics()).value("frames_dropped_total", { source, reason });
  const isQueued = async () => (await capture.metrics()).value("frames_queued", { source: "belt" }) > 0;
  await until(
    "both reasons, and the film in the queue",
    async () => (await dropped("work-queue-full")) > 0 && (await dropped("unanswered")) > 0 && (await isQueued()),
    START_MS,
  );
  const held = await capture.metrics();
  expectExact(held);
  expect(held.value("frames_dropped_total", { source: "belt" })).toBe(0);
  expect((await other.metrics()).value("fleet_answers_total")).toBe(0);
  // It has nothing to do, and says so: nobody has frames for that model yet.
  expect((await other.get("/readyz")).status).toBe(200);
  expect(other.log.map(({ msg }) => msg).join("\n")).toContain(
    "which a capture with the same model and explain settings makes",
  );

  const nc = await client(url);
  let strange = 0;
  // Whoever may publish to the results of a station can write anything there, and repeat what others wrote.
  nc.subscribe("VIDEO_EXPLAINER_RESULTS.>", {
    callback: (_, { subject, data, headers }) => {
      if (!headers?.get("Nats-Msg-Id") || strange >= 40) return;
      strange++;
      nc.publish(subject, data);
      nc.publish(subject, data.subarray(0, 40));
      nc.publish(subject, "no answer");
    },
  });
  const worker = startWorker({ ...common, model: INSPECTION, role: "explain" });
  const work = /are work ([0-9a-f]{16})/.exec(capture.log.map(({ msg }) => msg).join("\n"))![1]!;
  await worker.metrics();
  const js = nc.jetstream();
  for (const body of ["", "no frame", "\xff\xd8"]) {
    const isStored = () =>
      js.publish(`VIDEO_EXPLAINER_FRAMES.${work}.${STATION}.belt`, body).then(Boolean, () => false);
    await until("room in the queue", isStored);
  }
  await until(
    "the film to be explained, and the camera",
    async () => {
      const metrics = await capture.metrics();
      const of = (source: string) => metrics.value("frames_explained_total", { source });
      return of("belt") === 12 && of("camera") > 5 && strange > 0;
    },
    START_MS,
  );
  const answers = async (outcome: string) => (await worker.metrics()).value("fleet_answers_total", { outcome });
  await until(
    "what is stale, and the strangers'",
    async () => (await answers("stale")) > 0 && (await answers("refused")) >= 3,
  );
  expect(await answers("refused")).toBe(3);
  capture.kill("SIGTERM");
  expect(await capture.ended).toEqual({ code: 0, signal: null });
  const belt = await publishedBy(url, STATION, "belt");
  expect(belt.summaries.map(({ sequence }) => sequence)).toEqual(upTo(12));
  const { statuses, summaries } = await publishedBy(url, STATION, "camera");
  expect(statuses.at(-1)!.ledger.explained).toBe(summaries.length);
  expect(new Set(summaries.map(({ model }) => model.name))).toEqual(new Set(["inspection-cnn"]));
}, 480_000);
