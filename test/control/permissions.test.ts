import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Summary } from "../../src/messages/summary.js";
import { INSPECTION, launchWorker, ROOT, START_MS, type Worker, writeConfig } from "../e2e/worker.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { until } from "../support/sinks.js";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.js";

// The shipped configuration of a server, as users copy it; each password is its user's name.
const users = readFileSync(join(ROOT, "config/examples/nats-server.conf"), "utf8")
  .replace(/^(listen|jetstream).*$/gm, "")
  .replace(/\$([A-Z]+)_PASSWORD/g, (_, name: string) => name.toLowerCase());

let server: NatsServer;
let proxy: TcpProxy;
let worker: Worker;
const connections: NatsConnection[] = [];
const as = async (user: string, more: object = {}): Promise<NatsConnection> => {
  const nc = await connect({ servers: server.url, user, pass: user, timeout: 20_000, ...more });
  connections.push(nc);
  return nc;
};

beforeAll(async () => {
  server = await startNatsServer({ jetstream: true, config: users });
  proxy = await startTcpProxy(server.port);
  worker = launchWorker(
    writeConfig({
      station: "line-3",
      model: INSPECTION,
      sources: [{ name: "cam", url: "testsrc", width: 320, height: 240, fps: 10 }],
      sinks: [
        {
          ...{ kind: "nats", servers: [`nats://127.0.0.1:${proxy.port}`], user: "worker", password: "worker" },
          ...{ jetstream: true, inboxPrefixes: ["_INBOX", "_INBOX_asker"] },
        },
      ],
    }),
  );
  await until("the worker to be ready", async () => (await worker.get("/readyz")).status === 200, START_MS);
}, START_MS);
afterAll(async () => {
  for (const nc of connections) await nc.close();
  worker?.kill("SIGKILL");
  await worker?.ended;
  await proxy?.close();
  await server?.stop();
});

it("with the permissions of the example the worker publishes into its stream, also after a lost connection, and answers", async () => {
  const viewer = await as("viewer");
  const kinds = new Set<string>();
  const sequences: number[] = [];
  viewer.subscribe("explain.line-3.>", {
    callback: (_, message) => {
      const kind = message.subject.split(".").at(-1)!;
      if (kind !== "status") kinds.add(kind);
      if (kind === "summary") sequences.push(message.json<Summary>().sequence);
    },
  });
  await until("summaries", () => sequences.length > 5);
  proxy.cut();
  const before = sequences.length;
  await until("more summaries", () => sequences.length > before + 10);
  expect([...kinds].sort()).toEqual(["heatmap", "overlay", "summary"]);
  expect(new Set(sequences).size).toBe(sequences.length);
  const asker = await as("asker", { inboxPrefix: "_INBOX_asker" });
  const { sources } = (await asker.request("video-explainer.line-3.sources.list")).json<{ sources: object[] }>();
  expect(sources).toHaveLength(1);
  const picture = readFileSync(join(ROOT, "docs/overlay.jpg"));
  const explained = await asker.request("video-explainer.line-3.explain", picture, { timeout: 20_000 });
  expect(explained.json()).toHaveProperty("summary.schema", "explanation-summary/1");
  expect(worker.log.filter(({ level, msg }) => level !== "info" && !/was lost/.test(msg))).toEqual([]);
});

it("and who may only ask can do nothing else, through the worker neither", async () => {
  const asker = await as("asker", { inboxPrefix: "_INBOX_asker" });
  const denied: string[] = [];
  void (async () => {
    for await (const { permissionContext } of asker.status())
      if (permissionContext) denied.push(permissionContext.subject);
  })();
  const forbidden = [
    "video-explainer.line-3.config.set",
    "explain.line-3.cam.summary",
    "$JS.API.STREAM.PURGE.explain-line-3",
  ];
  for (const subject of forbidden) asker.publish(subject, "{}");
  for (const reply of forbidden) asker.publish("video-explainer.line-3.sources.list", "{}", { reply });
  await until("the server's refusals", () => denied.length === 3);
  expect(denied.sort()).toEqual([...forbidden].sort());
  await until("the worker's", async () => {
    const metrics = await worker.metrics();
    return metrics.value("requests_total", { endpoint: "sources-list", outcome: "reply-refused" }) === 3;
  });
});
