import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { anyRunning, childrenOf, launchWorker, temporaryFolder } from "../e2e/worker.js";
import { expectExact } from "../support/ledgers.js";
import { startNatsServer } from "../support/nats-server.js";
import { pause, until } from "../support/sinks.js";
import { audit, type Bed, client, liveSources, makeBed, STATION, undisturbed } from "./bed.js";

const CAMERAS = ["cam-1", "cam-2", "cam-3", "cam-4"];
const disk = join(temporaryFolder(), "disk");
let mounted = false;
let bed: Bed;

beforeAll(async () => {
  mkdirSync(disk);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], { stdio: "ignore" });
    mounted = true;
  } catch {
    // Only root may mount; the test that needs a disk of its own then says that it was left out.
  }
}, 60_000);
afterAll(async () => {
  await bed?.stop();
  if (mounted) execFileSync("umount", ["-l", disk]);
});

const connected = async (sink = "nats"): Promise<boolean> =>
  (await bed.worker.metrics()).value("sink_connected", { sink }) === 1;
const published = async (): Promise<number> =>
  (await bed.worker.metrics()).value("published_total", { kind: "summary" });
const report = (what: string, rates: Record<string, number>): void =>
  console.log(
    `${what}: ${Object.values(rates)
      .map((r) => r.toFixed(2))
      .join(", ")} frames/s`,
  );

async function publishes(): Promise<void> {
  const before = await published();
  await until("summaries to be published", async () => (await published()) > before + 40, 60_000);
}

/** Until what was kept meanwhile is published. */
const caughtUp = (): Promise<void> =>
  until(
    "everything to be published",
    async () => (await bed.worker.metrics()).value("station_frames_in_flight") < 8,
    30_000,
  );

// A hiccup of the machine looks like one of the worker; what is caused a second time must hold.
describe("with four cameras running, frames keep coming and each is accounted for while", { retry: 1 }, () => {
  beforeAll(async () => {
    bed = await makeBed({ server: { config: 'max_pending: 1048576\nwrite_deadline: "500ms"' } });
  }, 120_000);

  it("nats-server is killed, and restarted on the same store", async () => {
    const { rates } = await undisturbed(bed, CAMERAS, async () => {
      await bed.nats.kill();
      await until("it to be missed", async () => !(await connected()));
      expect((await bed.worker.get("/readyz")).status).toBe(503);
      expect((await bed.worker.get("/healthz")).status).toBe(200);
      await pause(4000);
      bed.nats = await startNatsServer({ jetstream: true, port: bed.nats.port, storeDir: bed.nats.storeDir });
      await until("it to be found again", () => connected());
    });
    report("nats-server killed", rates);
    await publishes();
    expect((await bed.worker.get("/readyz")).status).toBe(200);
  });

  it("NATS is black-holed for 30 s: the socket is open, and nothing comes", async () => {
    const { rates } = await undisturbed(
      bed,
      CAMERAS,
      async () => {
        bed.natsWire.blackHole();
        await until("it to be missed", async () => !(await connected()), 30_000);
        expect((await bed.worker.get("/readyz")).status).toBe(503);
      },
      30,
    );
    bed.natsWire.cut();
    await until("it to be found again", () => connected(), 30_000);
    report("NATS black-holed", rates);
    await publishes();
  });

  it("a subscriber asks for everything and never reads, until the server cuts it off", async () => {
    const socket = createConnection({ port: bed.nats.port, host: "127.0.0.1" });
    socket.on("error", () => undefined);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    // Each summary comes to it a few hundred times: what is left unread soon fills every buffer there is.
    const subscriptions = Array.from({ length: 400 }, (_, i) => `SUB explain.> ${i + 1}\r\n`);
    socket.write(`CONNECT {"verbose":false}\r\n${subscriptions.join("")}`);
    await pause(200);
    socket.pause();
    const { rates } = await undisturbed(bed, CAMERAS, async () => publishes());
    socket.resume();
    await closed;
    report("slow consumer", rates);
    await until("the worker to be connected", () => connected());
    console.log(
      bed.worker.log
        .map(({ msg }) => msg)
        .slice(-6)
        .join("\n"),
    );
  });

  it("the stream is full and takes no more, until there is room again", async () => {
    const nc = await client(bed);
    const jsm = await nc.jetstreamManager();
    const name = `explain-${STATION}`;
    // The server makes room for a limit below what it has by removing the oldest: none may be on its way meanwhile.
    await caughtUp();
    const { config, state } = await jsm.streams.info(name);
    const { rates } = await undisturbed(bed, CAMERAS, async () => {
      await jsm.streams.update(name, { ...config, discard: "new" as never, max_msgs: state.messages + 100 });
      await until("it to be noticed", async () => !(await connected()));
      await pause(3000);
      await jsm.streams.update(name, { ...config, max_msgs: -1 });
      await until("messages to be taken again", () => connected(), 30_000);
    });
    await nc.close();
    report("stream full", rates);
    expect(bed.worker.log.map((l) => l.msg).join("\n")).toMatch(/maximum messages exceeded/);
    await publishes();
  });

  it("leaves nothing out in the end, and publishes nothing twice", async () => {
    await caughtUp();
    bed.worker.kill("SIGTERM");
    expect(await bed.worker.ended).toEqual({ code: 0, signal: null });
    const found = await audit(bed, CAMERAS);
    console.log(JSON.stringify(found));
    // `stale`: on a busy machine a frame may wait too long, and is counted.
    for (const { dropped } of Object.values(found)) {
      const { "newer-frame": _, stale: __, ...others } = dropped;
      expect(others).toEqual({});
    }
  });

  it("leaves no process behind when the worker is killed with SIGKILL, and the next start goes on", async () => {
    bed.worker = launchWorker(bed.config);
    await until("every camera to be live", async () => (await liveSources(bed)).length === 4, 60_000);
    await publishes();
    const children = childrenOf(bed.worker.pid);
    expect(children.length).toBeGreaterThanOrEqual(4);
    bed.worker.kill("SIGKILL");
    await bed.worker.ended;
    await until("its children to be gone", () => !anyRunning(children), 5000);
    bed.worker = launchWorker(bed.config);
    await until("every camera to be live again", async () => (await liveSources(bed)).length === 4, 60_000);
    await publishes();
    expectExact(await bed.worker.metrics());
    bed.worker.kill("SIGTERM");
    expect(await bed.worker.ended).toEqual({ code: 0, signal: null });
  });
});

describe("a disk that is full", () => {
  it("costs the files that do not fit, each counted, and nothing else", async ({ skip }) => {
    if (!mounted) return skip("needs the right to mount a small disk");
    await bed.stop();
    bed = await makeBed({ more: { sinks: [{ kind: "files", path: disk }] } });
    const { rates } = await undisturbed(bed, CAMERAS, async () => {
      await until("the disk to be full", async () => !(await connected("files")));
      await until("frames to be counted as lost", async () => {
        const lost = (await bed.worker.metrics()).value("frames_dropped_total", { reason: "sink-overflow" });
        return lost > 20;
      });
    });
    report("disk full", rates);
    expect(bed.worker.log.map((l) => l.msg).join("\n")).toContain("the disk is full; make room there");
    expect((await bed.worker.get("/healthz")).status).toBe(200);
    execFileSync("mount", ["-o", "remount,size=64m", disk]);
    await until("files to be written again", () => connected("files"));
    bed.worker.kill("SIGTERM");
    expect(await bed.worker.ended).toEqual({ code: 0, signal: null });
  });
});
