import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { anyRunning, childrenOf } from "../e2e/worker.js";
import { expectExact } from "../support/ledgers.js";
import { freePort } from "../support/nats-server.js";
import { seeded } from "../support/random.js";
import { pause, until } from "../support/sinks.js";
import { audit, type Bed, capturedBy, ffmpegOf, makeBed, type Pace, stateOf, undisturbed, untilState } from "./bed.js";
import { type Camera, startCamera } from "./camera.js";

const OTHERS = ["cam-2", "cam-3", "cam-4"];
const PASSWORD = "Z8-geheim";

let bed: Bed;
let late: { port: number; camera?: Camera };
let locked: Camera;

beforeAll(async () => {
  late = { port: await freePort() };
  locked = await startCamera({ login: `viewer:${PASSWORD}` });
  bed = await makeBed({
    sources: [
      { name: "late", url: `rtsp://127.0.0.1:${late.port}/cam` },
      { name: "locked", url: `rtsp://viewer:${PASSWORD}@127.0.0.1:${locked.port}/cam`, fps: 2 },
      { name: "nowhere", url: "rtsp://viewer:geheim99@no-such-host.invalid/cam" },
    ],
  });
}, 120_000);
afterAll(async () => {
  await bed?.stop();
  await late.camera?.kill();
  await locked?.kill();
});

const report = (what: string, { rates, seconds }: Pace): void => {
  const list = Object.values(rates).map((rate) => rate.toFixed(2));
  console.log(`${what}: the others at ${list.join(", ")} frames/s over ${seconds.toFixed(0)} s`);
};
const reasonsOf = (source: string) =>
  bed.worker.log.map(({ msg }) => msg).filter((m) => m.startsWith(`source ${source}:`));
const captured = async (source: string): Promise<number> => capturedBy(await bed.worker.metrics(), source);

/** Frames come again. */
async function flows(source: string): Promise<void> {
  const before = await captured(source);
  await until(`frames of ${source}`, async () => (await captured(source)) > before + 5);
}

// A hiccup of the machine looks like one of the worker; what is caused a second time must hold.
describe("with four cameras running, the ledger stays exact and the others keep their pace while", { retry: 1 }, () => {
  // Whatever a case left that failed: each begins with a camera that is well.
  beforeEach(async () => {
    const { camera, wire } = bed.cameras[0]!;
    wire.damage(0);
    wire.heal();
    if (!camera.isRunning) await camera.start();
    camera.thaw();
    await untilState(bed, "cam-1", "live", 60_000);
  });

  it("a camera's process is killed, and comes back", async () => {
    const { camera } = bed.cameras[0]!;
    const pace = await undisturbed(bed, OTHERS, async () => {
      await camera.kill();
      await untilState(bed, "cam-1", "failed");
      await camera.start();
      await untilState(bed, "cam-1", "live");
    });
    report("camera killed", pace);
    expect(reasonsOf("cam-1").join("\n")).toMatch(/failed \(/);
    await flows("cam-1");
  });

  it("a camera falls silent with its socket open", async () => {
    const { wire } = bed.cameras[0]!;
    const pace = await undisturbed(bed, OTHERS, async () => {
      wire.blackHole();
      await untilState(bed, "cam-1", "stalled");
      await pause(3000);
      wire.heal();
      await untilState(bed, "cam-1", "live", 60_000);
    });
    report("camera black-holed", pace);
    expect(reasonsOf("cam-1").join("\n")).toContain("stalled (no frame came for 2 s)");
    await flows("cam-1");
  });

  it("a camera's picture freezes though frames keep coming", async () => {
    const { camera } = bed.cameras[0]!;
    const pace = await undisturbed(bed, ["cam-1", ...OTHERS], async () => {
      camera.freeze();
      await untilState(bed, "cam-1", "frozen");
      camera.thaw();
      await untilState(bed, "cam-1", "live");
    });
    report("picture frozen", pace);
  });

  it("a camera changes its resolution in mid-stream", async () => {
    const { camera } = bed.cameras[0]!;
    const pace = await undisturbed(bed, OTHERS, async () => {
      try {
        camera.resize(320, 240);
        await pause(3000);
        await flows("cam-1");
      } finally {
        camera.resize(640, 360);
      }
      await pause(3000);
      await flows("cam-1");
    });
    report("resolution changed", pace);
    expect(await stateOf(bed, "cam-1")).toBe("live");
  });

  it("one byte in a hundred of a camera's stream is damaged", async () => {
    const { wire } = bed.cameras[0]!;
    const pace = await undisturbed(bed, OTHERS, async () => {
      wire.damage(0.01, seeded(1));
      await pause(8000);
      wire.damage(0);
      await untilState(bed, "cam-1", "live", 60_000);
    });
    report("stream damaged", pace);
    await flows("cam-1");
  });

  it("a stream ends, and begins anew", async () => {
    const { camera } = bed.cameras[0]!;
    const before = bed.worker.log.length;
    const pace = await undisturbed(bed, OTHERS, async () => {
      camera.end();
      await until("the end to be noticed", () =>
        bed.worker.log.slice(before).some(({ msg }) => /source cam-1: failed \(/.test(msg)),
      );
      await untilState(bed, "cam-1", "live");
    });
    report("stream ended", pace);
    await flows("cam-1");
  });

  it("an ffmpeg is killed with SIGKILL", async () => {
    const before = bed.worker.log.length;
    const pace = await undisturbed(bed, OTHERS, async () => {
      process.kill(ffmpegOf(bed, "cam-1"), "SIGKILL");
      await until("it to be noticed", () =>
        bed.worker.log.slice(before).some(({ msg }) => msg.includes("ffmpeg was ended by SIGKILL")),
      );
      await untilState(bed, "cam-1", "live");
    });
    report("ffmpeg killed", pace);
    await flows("cam-1");
  });

  it("a camera asks for another password, which is shown nowhere", async () => {
    const before = reasonsOf("locked").length;
    const pace = await undisturbed(bed, OTHERS, async () => {
      await locked.kill();
      await locked.start(`viewer:${PASSWORD}-changed`);
      await until("the refusal", () => /401|[Uu]nauthori[sz]ed/.test(reasonsOf("locked").slice(before).join("\n")));
      expect(await stateOf(bed, "locked")).not.toBe("live");
      await locked.kill();
      await locked.start(`viewer:${PASSWORD}`);
      await untilState(bed, "locked", "live");
    });
    report("password changed", pace);
    const everything = [...bed.worker.log.map((line) => JSON.stringify(line)), (await bed.worker.get("/metrics")).text];
    expect(everything.join("\n")).not.toContain(PASSWORD);
  });

  it("the name of a camera is not known", async () => {
    const pace = await undisturbed(bed, OTHERS, () => untilState(bed, "nowhere", "failed"));
    report("name not known", pace);
    expect(reasonsOf("nowhere").join("\n")).toMatch(/failed \(.*no-such-host\.invalid/);
    expect(JSON.stringify(bed.worker.log)).not.toContain("geheim99");
  });

  it("a camera that was away at the start comes", async () => {
    await late.camera?.kill();
    await until("it to be away", async () => ["connecting", "failed"].includes(await stateOf(bed, "late")));
    const pace = await undisturbed(bed, OTHERS, async () => {
      late.camera = await startCamera({ port: late.port });
      await untilState(bed, "late", "live", 60_000);
    });
    report("late camera", pace);
  });
});

it("accounts for every frame to the end: none twice, no gap that is not counted, no process left", async () => {
  expectExact(await bed.worker.metrics());
  const children = childrenOf(bed.worker.pid);
  expect(children.length).toBeGreaterThanOrEqual(4);
  const at = performance.now();
  bed.worker.kill("SIGTERM");
  expect(await bed.worker.ended).toEqual({ code: 0, signal: null });
  const took = performance.now() - at;
  expect(took).toBeLessThan(10_000);
  expect(anyRunning(children)).toBe(false);
  const found = await audit(bed, ["cam-1", ...OTHERS, "late", "locked"]);
  console.log(`SIGTERM took ${took.toFixed(0)} ms; ${JSON.stringify(found)}`);
  // A camera's first frames may come in a burst, and on a busy machine one may wait too long; nothing else of them is lost.
  for (const name of OTHERS) {
    const { captured, dropped } = found[name]!;
    const { "newer-frame": newer = 0, stale = 0, ...others } = dropped;
    expect(others, name).toEqual({});
    expect(newer + stale, name).toBeLessThan(0.05 * captured);
  }
});
