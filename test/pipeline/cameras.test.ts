import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, type TestContext, test } from "vitest";
import type { SourceConfig } from "../../src/config/schema.js";
import type { SourceState, Timing } from "../../src/pipeline/index.js";
import { ffmpeg, type Opened, open, pixel, pull, temporaryFolder, until } from "./helpers.js";
import { type AccessUnit, h264, rtspCamera } from "./rtsp-camera.js";
import { httpServer, listening, portOf } from "./senders.js";

const folder = temporaryFolder();
const quick: Partial<Timing> = { delay: () => 100, tickMs: 50, loopMs: 20 };

interface Seen {
  epoch: number;
  pts: number;
  capturedAt: number;
  takenAt: number;
  size: string;
  corner: number[];
}
interface Watched extends Opened {
  seen: Seen[];
  notes: string[];
  states: SourceState[];
}

type Test = Pick<TestContext, "onTestFinished">;

function watched(t: Test, overrides: Partial<SourceConfig> & { url: string }, timing: Partial<Timing> = {}): Watched {
  const [seen, notes, states]: [Seen[], string[], SourceState[]] = [[], [], []];
  const onNote = (_source: string, note: string) => notes.push(note);
  const opened = open({ policy: "every-frame", ...overrides }, { timing: { ...quick, ...timing }, onNote });
  opened.source.status$.subscribe((state) => states.push(state));
  const pulled = pull(opened.source, (frame) => {
    const { epoch, pts, capturedAt, layout } = frame;
    const size = `${layout.width}x${layout.height}`;
    seen.push({ epoch, pts, capturedAt, takenAt: Date.now(), size, corner: pixel(frame, 1, 1) });
    frame.release();
    opened.ledger.explained();
  });
  t.onTestFinished(async () => {
    await opened.source.stop();
    opened.source.discard("shutdown");
    await pulled;
  });
  return { ...opened, seen, notes, states };
}

/** Times of one connection rise, none is of the future, and the promptest of its last frames was captured when it came. */
function expectGoodTimes(seen: readonly Seen[]): void {
  for (const [i, frame] of seen.entries()) {
    expect(frame.takenAt - frame.capturedAt).toBeGreaterThan(-6);
    const before = seen[i - 1];
    if (before?.epoch !== frame.epoch) continue;
    expect(frame.pts).toBeGreaterThan(before.pts);
    expect(frame.capturedAt).toBeGreaterThan(before.capturedAt);
  }
  expect(Math.min(...seen.slice(-20).map((frame) => frame.takenAt - frame.capturedAt))).toBeLessThan(1500);
}

/** Time on the stream's clock goes by as fast as frames come. */
function expectRealPace(seen: readonly Seen[]): void {
  const [first, last] = [seen[0]!, seen.at(-1)!];
  const passed = (last.takenAt - first.takenAt) / 1000;
  expect(Math.abs(last.pts - first.pts - passed)).toBeLessThan(0.25 * passed + 0.5);
}

const turn = (units: readonly AccessUnit[], n: number): AccessUnit => units[n % units.length]!;

describe.concurrent("a network camera", () => {
  test("that sends a picture every two seconds is live after a few of them", async (t) => {
    const units = h264(folder, "slow", "160x120", 10);
    const slow = await rtspCamera(2000, (n, time) => ({ units: turn(units, n * 10), time }));
    t.onTestFinished(() => slow.end());
    const camera = watched(t, { url: slow.url }, { probeMs: 9000, connectMs: 9000 });
    await until(() => camera.seen.length >= 2, "it is live", 30);
    expect(camera.source.status()).toMatchObject({ state: "live", restarts: 0 });
  });

  test("whose size is configured is live with its second picture", async (t) => {
    const units = h264(folder, "slow-known", "160x120", 10);
    const slow = await rtspCamera(2000, (n, time) => ({ units: turn(units, n * 10), time }));
    t.onTestFinished(() => slow.end());
    const camera = watched(t, { url: slow.url, width: 160, height: 120 }, { connectMs: 9000 });
    await until(() => camera.seen.length >= 2, "it is live", 30);
    expect(camera.source.status()).toMatchObject({ state: "live", restarts: 0 });
  });

  test("that is joined between two whole pictures, and does not say its size before, is live with the next", async (t) => {
    const units = h264(folder, "joined", "160x120", 10);
    const late = await rtspCamera(50, (n, time) => ({ units: turn(units, n + 4), time }));
    t.onTestFinished(() => late.end());
    const camera = watched(t, { url: late.url });
    await until(() => camera.seen.length >= 5, "it is live");
    expect(camera.seen[0]!.size).toBe("160x120");
  });

  test.for([
    ["back", -3],
    ["ahead", 3],
    ["back by hours", -9800],
    ["ahead by hours", 9800],
  ] as const)("whose clock is set %s goes on in time, with times that rise", async ([name, by], t) => {
    const units = h264(folder, `steps-${name.replaceAll(" ", "-")}`, "160x120", 10);
    const stepping = await rtspCamera(100, (n, passed) => ({
      units: turn(units, n),
      time: 20_000 + passed + (n >= 45 ? by : 0),
    }));
    t.onTestFinished(() => stepping.end());
    const camera = watched(t, { url: stepping.url });
    await until(() => camera.seen.length >= 70, "the step is over");
    expectGoodTimes(camera.seen);
    expect(new Set(camera.seen.map((frame) => frame.epoch))).toEqual(new Set([0]));
    // The step ahead by less than five seconds may be a gap, for all that is known.
    if (by !== 3) expectRealPace(camera.seen);
  });

  test("whose picture takes other proportions begins anew with them, and says so", async (t) => {
    const [wide, square] = [h264(folder, "wide", "320x240", 10), h264(folder, "square", "480x480", 10)];
    let isSquare = false;
    const turning = await rtspCamera(50, (n, time) => ({ units: turn(isSquare ? square : wide, n), time }));
    t.onTestFinished(() => turning.end());
    const camera = watched(t, { url: turning.url }, { reshapeMs: 4000 });
    await until(() => camera.seen.length >= 5, "it is live");
    isSquare = true;
    await until(() => camera.seen.filter((frame) => frame.size === "480x480").length >= 5, "it has begun anew");
    expect(camera.notes).toEqual(["its picture is now 480x480; it begins anew"]);
    // Until then it is not squeezed: there is grey beside it.
    const between = camera.seen.filter(({ size, corner }) => size === "320x240" && corner.every((v) => v === 128));
    expect(between.length).toBeGreaterThan(0);
    expect(camera.source.status()).toMatchObject({ state: "live", restarts: 0 });
  });

  test("whose configured size no longer has its proportions is stretched to it, and says so once", async (t) => {
    const [wide, square] = [h264(folder, "wide-to", "320x240", 10), h264(folder, "square-to", "240x240", 10)];
    const turning = await rtspCamera(50, (n, time) => ({ units: turn(n >= 20 ? square : wide, n), time }));
    t.onTestFinished(() => turning.end());
    const camera = watched(t, { url: turning.url, width: 160, height: 120 });
    await until(() => camera.seen.length >= 50, "it went on");
    expect(camera.notes).toEqual(["its picture is now 240x240, and stretched to the frame of 160x120"]);
    expect(new Set(camera.seen.map((frame) => frame.epoch))).toEqual(new Set([0]));
  });
});

function jpegs(name: string, size: string): Buffer[] {
  ffmpeg("-f", "lavfi", "-i", `testsrc2=size=${size}:rate=10`, "-frames:v", "5", join(folder, `${name}-%d.jpg`));
  return Array.from({ length: 5 }, (_, i) => readFileSync(join(folder, `${name}-${i + 1}.jpg`)));
}

/** Sends picture `n` of each connection ten times a second. */
async function pictureServer(t: Test, type: string, send: (n: number, to: ServerResponse) => void): Promise<string> {
  const server = await httpServer((_request, response) => {
    response.writeHead(200, { "content-type": type });
    let n = 0;
    const timer = setInterval(() => send(n++, response), 100);
    response.once("close", () => clearInterval(timer));
  });
  t.onTestFinished(() => server.end());
  return `http://127.0.0.1:${portOf(server)}/`;
}

const MULTIPART = "multipart/x-mixed-replace;boundary=part";
const part = (jpeg: Buffer, type: string): Buffer =>
  Buffer.concat([Buffer.from(`--part\r\n${type}Content-Length: ${jpeg.length}\r\n\r\n`), jpeg, Buffer.from("\r\n")]);

describe.concurrent("pictures without a time", () => {
  test("that change their size keep their connection and go on in time", async (t) => {
    const sizes = [jpegs("small", "160x120"), jpegs("large", "320x240")] as const;
    const url = await pictureServer(t, MULTIPART, (n, to) => {
      to.write(part(sizes[Math.floor(n / 8) % 2]![n % 5]!, "Content-Type: image/jpeg\r\n"));
    });
    const camera = watched(t, { url }, { reshapeMs: 200 });
    await until(() => camera.seen.length >= 40, "its size has changed often");
    expectGoodTimes(camera.seen);
    expectRealPace(camera.seen);
    expect(new Set(camera.seen.map(({ epoch, size }) => `${epoch} ${size}`))).toEqual(new Set(["0 160x120"]));
    expect(camera.notes).toEqual([]);
  });

  test("in parts that do not say what they are come all the same", async (t) => {
    const pictures = jpegs("silent", "160x120");
    const url = await pictureServer(t, MULTIPART, (n, to) => to.write(part(pictures[n % 5]!, "")));
    const camera = watched(t, { url });
    await until(() => camera.seen.length >= 20, "they come");
    expectGoodTimes(camera.seen);
    expectRealPace(camera.seen);
  });

  test("one behind the other, without parts, have the time of their coming", async (t) => {
    const pictures = jpegs("bare", "160x120");
    const url = await pictureServer(t, "image/jpeg", (n, to) => to.write(pictures[n % 5]!));
    const camera = watched(t, { url, inputOptions: ["-analyzeduration 1000000"] });
    await until(() => camera.seen.length >= 30, "they come");
    expectGoodTimes(camera.seen.slice(10));
    expectRealPace(camera.seen.slice(10));
  });

  test.for([false, true])("in H.264 alone have the time of their coming (size configured: %s)", async (known, t) => {
    // It claims 25 a second.
    const units = h264(folder, `bare-${known}`, "160x120", 10, "-bsf:v", "h264_metadata=tick_rate=50");
    const server = await listening(
      createServer((socket) => {
        let n = 0;
        const timer = setInterval(() => {
          for (const unit of turn(units, n++)) socket.write(Buffer.concat([Buffer.from([0, 0, 0, 1]), unit]));
        }, 100);
        socket.once("close", () => clearInterval(timer));
      }),
    );
    t.onTestFinished(() => server.end());
    const size = known ? { width: 160, height: 120, inputOptions: ["-f h264"] } : {};
    const camera = watched(t, { url: `tcp://127.0.0.1:${portOf(server)}`, ...size });
    await until(() => camera.seen.length >= 60, "they come");
    // The first come at once, of what was looked at.
    expectGoodTimes(camera.seen.slice(30));
    expectRealPace(camera.seen.slice(30));
  });
});
