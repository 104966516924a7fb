import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type StreamConfig } from "nats";
import { afterAll, expect, it } from "vitest";
import type { SourceStatus } from "../../src/messages/summary.js";
import { BOTTLES, INSPECTION, ROOT, startWorker, temporaryFolder } from "../e2e/worker.js";
import { expectExact, expectExactLedgers } from "../support/ledgers.js";
import { storedMessages } from "../support/nats-client.js";
import { freePort } from "../support/ports.js";
import { pause, until } from "../support/sinks.js";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.js";
import { countFrom } from "./resources.js";

// By hand, as a mirror takes its time to catch up: UPLINK_SECONDS=120 npx vitest run test/faults/leaf-node.test.ts
const SECONDS = countFrom("UPLINK_SECONDS", 0);
const STATION = "line-3";
const STREAM = `explain-${STATION}`;

const folder = temporaryFolder();
const processes: ChildProcess[] = [];
let wire: TcpProxy | undefined;
afterAll(async () => {
  for (const child of processes) child.kill("SIGKILL");
  await wire?.close();
});

/** A server of a shipped configuration, which may be put elsewhere but is otherwise as it is. */
function serve(name: string, changes: Record<string, string>, env: Record<string, string>): string {
  let text = readFileSync(join(ROOT, "config/examples", `${name}.conf`), "utf8");
  for (const [shipped, other] of Object.entries(changes)) {
    expect(text).toContain(shipped);
    text = text.replaceAll(shipped, other);
  }
  const store = join(folder, name);
  mkdirSync(store);
  const file = join(folder, `${name}.conf`);
  writeFileSync(file, text.replace("/var/lib/nats", store));
  processes.push(spawn("nats-server", ["-c", file], { stdio: "ignore", env: { ...process.env, ...env } }));
  return file;
}

const answers = (url: string): Promise<boolean> =>
  connect({ servers: url, timeout: 1000, reconnect: false }).then(
    (nc) => nc.close().then(() => true),
    () => false,
  );

it.skipIf(SECONDS === 0)(
  "a station at a leaf node goes on while its uplink is cut, and the hub has each summary once after it is back",
  async () => {
    const [hubPort, uplinkPort, leafPort, page] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    const [hub, leaf] = [`nats://127.0.0.1:${hubPort}`, `nats://127.0.0.1:${leafPort}`];
    const listen = { "0.0.0.0:4222": `127.0.0.1:${hubPort}`, "0.0.0.0:7422": `127.0.0.1:${uplinkPort}` };
    serve("leaf-hub", listen, { STATION_PASSWORD: "uplink-7" });
    wire = await startTcpProxy(uplinkPort);
    const uplink = `nats://station:uplink-7@127.0.0.1:${wire.port}`;
    serve("leaf-node", { "127.0.0.1:4222": `127.0.0.1:${leafPort}` }, { HUB: uplink });
    await until("both servers", async () => (await answers(hub)) && (await answers(leaf)));

    const worker = startWorker({
      station: STATION,
      model: INSPECTION,
      engine: { threads: 1 },
      sources: [{ name: "belt", url: BOTTLES, policy: "every-frame", pace: "realtime", loop: true, fps: 15 }],
      sinks: [
        { kind: "nats", servers: [leaf], jetstream: true, publish: ["summary", "status"] },
        { kind: "viewer", port: page },
      ],
    });
    const published = async () => (await worker.metrics()).value("published_total", { sink: "nats", kind: "summary" });
    await until("the station to publish", async () => (await published()) > 10);
    const nc = await connect({ servers: hub });
    const jsm = await nc.jetstreamManager();
    const mirror = JSON.parse(readFileSync(join(ROOT, "config/examples/leaf-hub-stream.json"), "utf8"));
    await jsm.streams.add(mirror as StreamConfig);
    const copied = async () => (await jsm.streams.info(STREAM)).state.messages;
    await until("the hub to copy", async () => (await copied()) > 0, 60_000);

    wire.blackHole();
    const [atCut, before] = [await copied(), await published()];
    const end = performance.now() + SECONDS * 1000;
    while (performance.now() < end) {
      expectExact(await worker.metrics());
      expect((await fetch(`http://127.0.0.1:${page}/`)).status).toBe(200);
      expect((await worker.get("/readyz")).status).toBe(200);
      await pause(250);
    }
    const during = (await published()) - before;
    expect(during).toBeGreaterThan(0);
    wire.cut();

    worker.kill("SIGTERM");
    expect(await worker.ended).toEqual({ code: 0, signal: null });
    const station = await storedMessages(leaf, STREAM);
    await until("the hub to have caught up", async () => (await copied()) === station.length, 120_000);
    const central = await storedMessages(hub, STREAM);
    await nc.close();
    console.log(
      `uplink cut for ${SECONDS} s: ${during} summaries meanwhile, hub at ${atCut} then, ${central.length} at the end`,
    );
    expect(central.map(({ id }) => id)).toEqual(station.map(({ id }) => id));
    expect(new Set(central.map(({ id }) => id)).size).toBe(central.length);
    const statuses = central.filter(({ subject }) => subject.endsWith(".status"));
    expectExactLedgers(statuses.map(({ body }) => JSON.parse(body.toString()) as SourceStatus));
  },
  (SECONDS + 300) * 1000,
);
