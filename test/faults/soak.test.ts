import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { ROOT } from "../e2e/worker.js";
import { expectExact } from "../support/ledgers.js";
import { startNatsServer } from "../support/nats-server.js";
import { seeded } from "../support/random.js";
import { pause, until } from "../support/sinks.js";
import { ask, audit, type Bed, client, ffmpegOf, liveSources, makeBed, STATION } from "./bed.js";
import { type Fault, type FaultKind, planFaults } from "./plan.js";
import { countFrom, type Held, heldBy, slope } from "./resources.js";

// SOAK_MINUTES=30 SOAK_SEED=7 npm run soak
const MINUTES = countFrom("SOAK_MINUTES", 0.5);
const SEED = countFrom("SOAK_SEED", 1);
const CAMERAS = 4;
const PICTURE = readFileSync(join(ROOT, "docs/overlay.jpg"));

let bed: Bed | undefined;
afterAll(() => bed?.stop());

/** Each resolves when what it did is undone. */
const CAUSES: Record<FaultKind, (on: Bed, fault: Fault) => Promise<unknown>> = {
  "camera-killed": async ({ cameras }, { camera, lasts }) => {
    await cameras[camera]!.camera.kill();
    await pause(lasts * 1000);
    await cameras[camera]!.camera.start();
  },
  "black-hole": async ({ cameras }, { camera, lasts }) => {
    cameras[camera]!.wire.blackHole();
    await pause(lasts * 1000);
    cameras[camera]!.wire.heal();
  },
  frozen: async ({ cameras }, { camera, lasts }) => {
    cameras[camera]!.camera.freeze();
    await pause(lasts * 1000);
    cameras[camera]!.camera.thaw();
  },
  resized: async ({ cameras }, { camera, lasts }) => {
    cameras[camera]!.camera.resize(320, 240);
    await pause(lasts * 1000);
    cameras[camera]!.camera.resize(640, 360);
  },
  damaged: async ({ cameras }, { camera, lasts, chance }) => {
    cameras[camera]!.wire.damage(0.01 * chance, seeded(camera));
    await pause(lasts * 1000);
    cameras[camera]!.wire.damage(0);
  },
  ended: async ({ cameras }, { camera }) => cameras[camera]!.camera.end(),
  "ffmpeg-killed": async (on, { camera }) => {
    try {
      process.kill(ffmpegOf(on, on.cameras[camera]!.name), "SIGKILL");
    } catch {
      // It is between two tries.
    }
  },
  "nats-killed": async (on, { lasts }) => {
    await on.nats.kill();
    await pause(lasts * 1000);
    on.nats = await startNatsServer({ jetstream: true, port: on.nats.port, storeDir: on.nats.storeDir });
  },
  "nats-black-hole": async ({ natsWire }, { lasts }) => {
    natsWire.blackHole();
    await pause(lasts * 1000);
    natsWire.cut();
  },
  "source-added": (on, { at, lasts }) =>
    asking(on, async (request) => {
      const name = `extra-${Math.round(at * 1000)}`;
      await request("sources.add", { name, url: "testsrc", width: 320, fps: 5 });
      await pause(lasts * 1000);
      await request("sources.remove", { name });
    }),
  settings: (on, { chance }) =>
    asking(on, async (request) => {
      const method = chance < 0.5 ? "r-lrp" : "r-lrp-constant";
      await request("config.set", { explain: { method, every: 1 + Math.floor(chance * 3) } });
    }),
  picture: (on) =>
    asking(on, async (_, nc) => {
      await nc.request(`video-explainer.${STATION}.explain`, PICTURE, { timeout: 30_000 });
    }),
};

type Asked = Awaited<ReturnType<typeof client>>;

/** The server may go away in the midst of it: whoever asks then asks in vain. */
async function asking(
  on: Bed,
  work: (request: (subject: string, body: object) => Promise<unknown>, nc: Asked) => Promise<void>,
): Promise<void> {
  let nc: Asked | undefined;
  try {
    nc = await client(on);
    const open = nc;
    await work((subject, body) => ask(open, subject, body), open);
  } catch (error) {
    if ((error as { name?: string }).name !== "NatsError") throw error;
  } finally {
    await nc?.close();
  }
}

it(
  `${MINUTES} minutes of faults at random times (seed ${SEED}) leave every ledger exact and nothing growing`,
  async () => {
    const running = await makeBed({ cameras: CAMERAS });
    bed = running;
    const faults = planFaults(SEED, MINUTES * 60, CAMERAS);
    const began = performance.now();
    const seconds = (): number => (performance.now() - began) / 1000;
    const held: { at: number; held: Held }[] = [];
    const counts: Partial<Record<FaultKind, number>> = {};
    let isOver = false;
    const looking = (async () => {
      for (let look = 0; !isOver; look++) {
        expectExact(await running.worker.metrics());
        if (look % 5 === 0) held.push({ at: seconds(), held: heldBy(running.worker.pid) });
        await pause(1000);
      }
    })();
    const caused = faults.map(async (fault) => {
      await pause(fault.at * 1000);
      counts[fault.kind] = (counts[fault.kind] ?? 0) + 1;
      await CAUSES[fault.kind](running, fault);
    });
    await Promise.race([Promise.all([pause(MINUTES * 60_000), ...caused]), looking]);
    expect(running.worker.isOver, running.worker.said.join(" ")).toBe(false);
    await until("every camera to be live", async () => (await liveSources(running)).length >= CAMERAS, 120_000);
    await until(
      "everything to be published",
      async () => (await running.worker.metrics()).value("station_frames_in_flight") < 12,
      60_000,
    );
    isOver = true;
    await looking;
    running.worker.kill("SIGTERM");
    expect(await running.worker.ended).toEqual({ code: 0, signal: null });

    const ledgers = await audit(
      running,
      running.cameras.map(({ name }) => name),
    );
    const settled = held.filter(({ at }) => at > MINUTES * 20);
    const perMinute = slope(settled.map(({ at, held: { rssMiB } }) => [at / 60, rssMiB]));
    const last = held.at(-1)!.held;
    const rss = held.map(({ held: { rssMiB } }) => Math.round(rssMiB));
    console.log(
      [
        `seed ${SEED}, ${(seconds() / 60).toFixed(1)} min, faults: ${JSON.stringify(counts)}`,
        `ledgers: ${JSON.stringify(ledgers)}`,
        `memory: ${rss[0]} MiB at first, ${rss.at(-1)} MiB at last, ${Math.max(...rss)} MiB at most, ${perMinute.toFixed(2)} MiB a minute over the last two thirds`,
        `at last ${last.descriptors} descriptors (${held[0]!.held.descriptors} at first), ${last.children} children`,
      ].join("\n"),
    );
    expect(last.children).toBeLessThanOrEqual(CAMERAS + 2);
    expect(last.descriptors).toBeLessThanOrEqual(held[0]!.held.descriptors + 24);
  },
  MINUTES * 60_000 + 300_000,
);
