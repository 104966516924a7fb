import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, type TestContext, test } from "vitest";
import type { SourceConfig } from "../../src/config/schema.js";
import type { SourceState, Timing } from "../../src/pipeline/index.js";
import { startCamera } from "../faults/camera.js";
import { freePort } from "../support/nats-server.js";
import { ffmpeg, type Opened, open, pixel, pull, temporaryFolder, until } from "./helpers.js";
import { type Colour, ffmpegSender, H264, httpServer, MPEG2, mjpegCamera, type Sender } from "./senders.js";

const folder = temporaryFolder();
const quick: Partial<Timing> = {
  delay: () => 100,
  tickMs: 50,
  connectMs: 8000,
  probeMs: 8000,
  loopMs: 200,
  frozenMs: 60_000,
};
/** A thin transport stream says all that is to be known within a second; by default ffmpeg watches it for five. */
const soon = ["-analyzeduration 1000000"];
const SECRET = "Gehe1m-Wort";

interface Seen {
  epoch: number;
  sequence: number;
  pts: number;
  capturedAt: number;
  takenAt: number;
  colour: string;
}
interface Watched extends Opened {
  states: SourceState[];
  seen: Seen[];
  notes: string[];
}

const COLOURS: Record<string, readonly number[]> = {
  red: [255, 0, 0],
  blue: [0, 0, 255],
  lime: [0, 255, 0],
  white: [255, 255, 255],
};
const colourOf = (rgb: readonly number[]): string =>
  Object.keys(COLOURS).find((name) => COLOURS[name]!.every((value, i) => Math.abs(value - rgb[i]!) < 40)) ??
  rgb.join(",");

type Test = Pick<TestContext, "onTestFinished">;

/** Opens a source, takes all its frames as they come and notes what matters of each. */
function watched(t: Test, overrides: Partial<SourceConfig> & { url: string }, timing: Partial<Timing> = {}): Watched {
  const states: SourceState[] = [];
  const seen: Seen[] = [];
  const notes: string[] = [];
  const onNote = (_source: string, note: string) => notes.push(note);
  const opened = open({ stallSeconds: 1, ...overrides }, { timing: { ...quick, ...timing }, onNote });
  opened.source.status$.subscribe((state) => states.push(state));
  const pulled = pull(opened.source, (frame) => {
    const { epoch, sequence, pts, capturedAt, layout } = frame;
    const colour = colourOf(pixel(frame, layout.width >> 1, (layout.height * 3) >> 2));
    seen.push({ epoch, sequence, pts, capturedAt, takenAt: Date.now(), colour });
    frame.release();
    opened.ledger.explained();
  });
  t.onTestFinished(async () => {
    await opened.source.stop();
    await pulled;
  });
  return { ...opened, states, seen, notes };
}

/** Time stamps of one connection rise, and the capture times lie near the wall clock and never run backwards. */
function expectGoodTimes({ seen }: Watched, { live = true } = {}): void {
  for (const [i, frame] of seen.entries()) {
    const before = seen[i - 1];
    if (live) expect(Math.abs(frame.takenAt - frame.capturedAt)).toBeLessThan(3000);
    if (!before) continue;
    expect(frame.sequence).toBeGreaterThan(before.sequence);
    if (live) expect(frame.capturedAt).toBeGreaterThanOrEqual(before.capturedAt);
    expect(frame.epoch).toBeGreaterThanOrEqual(before.epoch);
    if (frame.epoch === before.epoch) expect(frame.pts).toBeGreaterThan(before.pts);
  }
}

const framesOf = ({ seen }: Watched, colour: Colour): Seen[] => seen.filter((frame) => frame.colour === colour);

/** Everything that a user is told of a source. */
const told = ({ source, states, notes }: Watched): string => JSON.stringify([states, notes, source.status()]);

/** Red comes, the sender is killed and this is said, it comes back blue, and the source goes on. */
async function expectToGoOn(
  camera: Watched,
  sender: Sender,
  { down, secrets = [] as string[] }: { down: RegExp; secrets?: string[] },
): Promise<void> {
  try {
    await until(() => framesOf(camera, "red").length >= 10, "red comes", 20);
    expect(camera.source.status()).toMatchObject({ state: "live", reason: null });
    await sender.kill();
    await until(() => !["live", "frozen"].includes(camera.source.status().state), "it is noticed", 15);
    const atLeast = camera.states.length;
    await until(
      () => camera.states.slice(atLeast - 1).some((s) => down.test(`${s.state}: ${s.reason}`)),
      `${down}`,
      15,
    );
    expect(camera.source.layout).toMatchObject({ width: 160, height: 120 });
    const last = camera.seen.at(-1)!;
    await sender.start("blue");
    await until(() => framesOf(camera, "blue").length >= 10, "blue comes", 25);
    const next = framesOf(camera, "blue").at(-1)!;
    expect(next.epoch).toBe(last.epoch + 1);
    expect(next.sequence).toBeGreaterThan(last.sequence);
    expect(camera.source.status()).toMatchObject({ state: "live", reason: null });
    expectGoodTimes(camera);
    expect(new Set(camera.seen.map((s) => s.colour))).toEqual(new Set(["red", "blue"]));
    for (const secret of secrets) expect(told(camera)).not.toContain(secret);
  } catch (error) {
    const story = camera.states.map((s) => `${s.state} ${s.restarts}: ${s.reason}`).join("\n");
    throw new Error(`${(error as Error).message}\n${story}\n${camera.source.status().ffmpeg.slice(-8).join("\n")}`, {
      cause: error,
    });
  }
}

/** Starts a sender in red and ends it with the test. */
async function begun<T extends Sender>(t: Test, sender: T): Promise<T> {
  t.onTestFinished(async () => void (await sender.kill()));
  await sender.start("red");
  return sender;
}

async function untilSaid(camera: Watched, words: RegExp): Promise<string> {
  await until(() => camera.states.some((s) => words.test(s.reason ?? "")), `it says ${words}; it says ${told(camera)}`);
  return camera.states.find((s) => words.test(s.reason ?? ""))!.reason!;
}

describe.concurrent("each kind of source is live, says why it is not, and goes on when its sender is back:", () => {
  test("MPEG-TS over TCP, connected to a listener", async (t) => {
    const port = await freePort();
    const sender = await begun(t, ffmpegSender([...MPEG2, "-f", "mpegts", `tcp://127.0.0.1:${port}?listen=1`]));
    const camera = watched(t, {
      url: `tcp://viewer:${SECRET}@127.0.0.1:${port}`,
      width: 160,
      height: 120,
      inputOptions: soon,
    });
    await expectToGoOn(camera, sender, { down: /^failed: .*Connection refused/, secrets: [SECRET] });
  });

  test("MPEG-TS over UDP, whose sender comes late", async (t) => {
    const port = await freePort();
    const camera = watched(t, { url: `udp://127.0.0.1:${port}`, inputOptions: soon }, { probeMs: 3000 });
    await untilSaid(camera, /gave no pictures within 3 s/);
    const sender = await begun(t, ffmpegSender([...MPEG2, "-f", "mpegts", `udp://127.0.0.1:${port}?pkt_size=1316`]));
    await expectToGoOn(camera, sender, { down: /^stalled: No frame came for 1 s\.$/ });
  });

  test("MPEG-TS over multicast", async (t) => {
    const port = await freePort();
    const address = `udp://239.255.77.1:${port}`;
    const sender = await begun(
      t,
      ffmpegSender([...MPEG2, "-f", "mpegts", `${address}?pkt_size=1316&localaddr=127.0.0.1&ttl=0`]),
    );
    const camera = watched(t, { url: `${address}?localaddr=127.0.0.1`, inputOptions: soon }, { probeMs: 3000 });
    await expectToGoOn(camera, sender, { down: /^stalled: No frame came for 1 s\.$/ });
  });

  test("RTMP, pulled from a server", async (t) => {
    const port = await freePort();
    const sender = await begun(
      t,
      ffmpegSender([...H264, "-f", "flv", "-listen", "1", `rtmp://127.0.0.1:${port}/live/x`]),
    );
    const url = `rtmp://viewer:${SECRET}@127.0.0.1:${port}/live/x?token=${SECRET}`;
    const camera = watched(t, { url, width: 160, height: 120 });
    await expectToGoOn(camera, sender, { down: /^failed: .*Connection refused/, secrets: [SECRET] });
  });

  test("RTMP, pushed to us by an encoder", async (t) => {
    const port = await freePort();
    const url = `rtmp://127.0.0.1:${port}/live/x`;
    const camera = watched(t, { url, width: 160, height: 120, inputOptions: ["-listen 1"] });
    const sender = await begun(t, ffmpegSender([...H264, "-f", "flv", url]));
    await expectToGoOn(camera, sender, { down: /^(?:failed: The stream ended|stalled: No frame)/ });
  });

  test("SRT with passphrase and streamid", async (t) => {
    const port = await freePort();
    const key = `passphrase=${SECRET}&pbkeylen=16`;
    const sender = await begun(
      t,
      ffmpegSender([...MPEG2, "-f", "mpegts", `srt://127.0.0.1:${port}?mode=listener&${key}`]),
    );
    const camera = watched(t, {
      url: `srt://127.0.0.1:${port}?${key}&streamid=read:cam:viewer:${SECRET}x`,
      inputOptions: soon,
    });
    await expectToGoOn(camera, sender, { down: /^failed: .*Input\/output error/, secrets: [SECRET] });
  });

  test("MJPEG over HTTP with basic authentication", async (t) => {
    const port = await freePort();
    const sender = await begun(t, mjpegCamera(port, `viewer:${SECRET}`));
    const camera = watched(t, { url: `http://viewer:${SECRET}@127.0.0.1:${port}/video.mjpg` });
    await expectToGoOn(camera, sender, { down: /^(?:failed: .*Connection refused|stalled)/, secrets: [SECRET] });
  });

  test.for([
    ["broken off", "SIGKILL", /^failed: .* has not gone on: all that it holds was shown already\.$/],
    ["finished", "SIGTERM", /^failed: .* was live and has ended; it is waited for\.$/],
  ] as const)("a live HLS playlist that is %s", async ([name, signal, down], t) => {
    const port = await freePort();
    const at = join(folder, name);
    const list = ["-f", "hls", "-hls_time", "0.5", "-hls_list_size", "4", "-hls_flags", "delete_segments"];
    const encoder = ffmpegSender([...H264, ...list, join(at, "live.m3u8")], false);
    const server = await httpServer((request, response) => {
      try {
        response.end(readFileSync(join(at, new URL(request.url!, "http://x").pathname)));
      } catch {
        response.writeHead(404).end();
      }
    }, port);
    t.onTestFinished(() => server.end());
    const sender: Sender = {
      start: async (colour) => {
        rmSync(at, { recursive: true, force: true });
        mkdirSync(at);
        await encoder.start(colour);
      },
      kill: () => encoder.kill(signal),
    };
    const camera = watched(t, { url: `http://127.0.0.1:${port}/live.m3u8?token=${SECRET}`, stallSeconds: 2 });
    await begun(t, sender);
    await expectToGoOn(camera, sender, { down, secrets: [SECRET] });
  });

  test.for(["tcp", "udp"] as const)("RTSP over %s with basic authentication", async (transport, t) => {
    const gst = await startCamera({ login: `viewer:${SECRET}` });
    t.onTestFinished(() => gst.kill());
    const at = `127.0.0.1:${gst.port}/cam`;
    const wrong = watched(t, { url: `rtsp://viewer:${SECRET}-wrong@${at}`, transport });
    expect(await untilSaid(wrong, /401/)).toMatch(/cannot be reached: method DESCRIBE failed: 401 Unauthorized;/);
    expect(wrong.seen).toEqual([]);
    await wrong.source.stop();
    const camera = watched(t, { url: `rtsp://viewer:${SECRET}@${at}`, transport });
    await until(() => camera.seen.length >= 10, "frames come");
    expect(camera.source.layout).toMatchObject({ width: 640, height: 360 });
    await gst.kill();
    await untilSaid(camera, /Connection refused/);
    const { epoch } = camera.seen.at(-1)!;
    await gst.start();
    await until(() => camera.seen.at(-1)!.epoch === epoch + 1, "it is live again");
    expectGoodTimes(camera);
    expect(`${told(camera)}${told(wrong)}`).not.toContain(SECRET);
  });
});
