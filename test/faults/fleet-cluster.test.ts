import { afterEach, expect, it } from "vitest";
import { type NatsCluster, startNatsCluster } from "../support/nats-cluster.js";
import { until } from "../support/sinks.js";
import { type FleetBed, makeFleetBed, whileExact } from "./fleet-bed.js";
import { countFrom } from "./resources.js";

// By hand, as a server in lame-duck mode takes half a minute to end: LAME_DUCKS=6 npx vitest run test/faults/fleet-cluster.test.ts
const LAME_DUCKS = countFrom("LAME_DUCKS", 0);

let bed: FleetBed | undefined;
let cluster: NatsCluster | undefined;
afterEach(async () => {
  await bed?.stop();
  await cluster?.stop();
});

it.skipIf(LAME_DUCKS === 0)(
  "servers of a cluster go lame duck one after the other: each frame is published once and in order, or counted",
  async () => {
    cluster = await startNatsCluster();
    const stream = { replicas: 3 };
    bed = await makeFleetBed(cluster.urls[0]!, {
      servers: cluster.urls,
      workers: 2,
      fleet: { stream },
      sink: { stream },
    });
    const [on, ducks] = [bed, cluster];
    const explained = async () => (await on.capture.metrics()).value("frames_explained_total", { source: "film" });
    const goesOn = async (): Promise<void> => {
      const before = await explained();
      await until("the film to go on", async () => (await explained()) > before + 15, 90_000);
    };
    const looks = await whileExact(on, async () => {
      for (let k = 0; k < LAME_DUCKS; k++) {
        await ducks.passLameDuck(k % 3);
        await goesOn();
      }
    });
    const ledgers = await on.finish();
    console.log(`${LAME_DUCKS} lame ducks, ${looks} looks at the ledger: ${JSON.stringify(ledgers)}`);
    expect(ledgers.film!.explained).toBe(ledgers.film!.captured);
  },
  180_000 + LAME_DUCKS * 60_000,
);
