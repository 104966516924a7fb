import { afterEach, expect, it } from "vitest";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { seeded } from "../support/random.js";
import { pause, until } from "../support/sinks.js";
import { type FleetBed, makeFleetBed, whileExact } from "./fleet-bed.js";
import { countFrom } from "./resources.js";

// FLEET_SECONDS=300 FLEET_SEED=7 npx vitest run test/faults/fleet.test.ts
const SECONDS = countFrom("FLEET_SECONDS", 6);
const SEED = countFrom("FLEET_SEED", 1);

let bed: FleetBed | undefined;
let nats: NatsServer | undefined;
afterEach(async () => {
  await bed?.stop();
  await nats?.stop();
  bed = nats = undefined;
});

const report = (what: string, looks: number, ledgers: object): void =>
  console.log(`${what}, seed ${SEED}, ${looks} looks at the ledger: ${JSON.stringify(ledgers)}`);

it(
  "explain workers and the nats-server are killed at random: each frame is published once and in order, or counted",
  async () => {
    nats = await startNatsServer({ jetstream: true });
    bed = await makeFleetBed(nats.url);
    const [on, random] = [bed, seeded(SEED)];
    let kills = 0;
    const looks = await whileExact(on, async () => {
      const end = performance.now() + SECONDS * 1000;
      while (performance.now() < end) {
        await on.killWorker(Math.floor(random() * 3));
        kills++;
        await pause(1000 + 4000 * random());
        if (kills % 3 !== 2) continue;
        await nats!.kill();
        await pause(500 + 2500 * random());
        nats = await startNatsServer({ jetstream: true, port: nats!.port, storeDir: nats!.storeDir });
      }
      const explained = async () => (await on.capture.metrics()).value("frames_explained_total", { source: "film" });
      const before = await explained();
      await until("the film to go on", async () => (await explained()) > before + 15);
    });
    const ledgers = await on.finish();
    report(`${kills} workers killed`, looks, ledgers);
    // SIGTERM lets the film finish what it has begun.
    expect(ledgers.film!.explained).toBe(ledgers.film!.captured);
  },
  (SECONDS + 180) * 1000,
);
