import { chmodSync, copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, type TestContext, test, vi } from "vitest";
import type { SourceConfig } from "../../src/config/schema.js";
import { StderrTail } from "../../src/ffmpeg/log-lines.js";
import type { SourceState, Timing } from "../../src/pipeline/index.js";
import { sourceSpec } from "../../src/pipeline/source-spec.js";
import { startCamera } from "../faults/camera.js";
import { freePort } from "../support/nats-server.js";
import { config, ffmpeg, type Opened, open, pixel, pull, temporaryFolder, until } from "./helpers.js";
import {
  type Colour,
  ffmpegSender,
  H264,
  httpServer,
  locked,
  MPEG2,
  mjpegCamera,
  portOf,
  type Sender,
  silent,
} from "./senders.js";

/** Seconds for what takes a second on a machine that has nothing else to do. */
const PATIENCE = 60;
vi.setConfig({ testTimeout: 5 * PATIENCE * 1000 });

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
const PROBED = {
  width: 1,
  height: 1,
  pixelAspect: 1,
  untagged: false,
  isRgb: false,
  videoStream: 0,
  pictures: { estimated: true },
};

interface Seen {
  epoch: number;
  sequence: number;
  pts: number;
  capturedAt: number;
  /** Unix milliseconds of its coming, by the clock that tells how long things take. */
  cameAt: number;
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
    const { epoch, sequence, pts, capturedAt, receivedAt, layout } = frame;
    const takenAt = Date.now();
    const cameAt = takenAt - (performance.now() - receivedAt);
    const colour = colourOf(pixel(frame, layout.width >> 1, (layout.height * 3) >> 2));
    seen.push({ epoch, sequence, pts, capturedAt, cameAt, takenAt, colour });
    frame.release();
    opened.ledger.explained();
  });
  t.onTestFinished(async () => {
    await opened.source.stop();
    await pulled;
  });
  return { ...opened, states, seen, notes };
}

/**
 * Time stamps of one connection rise. Capture times never run backwards; none is of the future, nor before its picture came by more
 * than the picture was late, as its time stamp says: a busy machine makes pictures late. `untimed`: it says nothing of that.
 */
function expectGoodTimes({ seen }: Watched, { live = true, untimed = false } = {}): void {
  const clocks = 20;
  let [least, epoch] = [Number.POSITIVE_INFINITY, -1];
  for (const [i, frame] of seen.entries()) {
    const before = seen[i - 1];
    if (frame.epoch !== epoch) least = Number.POSITIVE_INFINITY;
    epoch = frame.epoch;
    const offset = frame.cameAt - frame.pts * 1000;
    least = Math.min(least, offset);
    if (live) {
      expect(frame.capturedAt).toBeLessThan(frame.cameAt + clocks);
      expect(frame.cameAt - frame.capturedAt).toBeLessThan(untimed ? 3000 : offset - least + clocks);
    }
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
  { down, secrets = [], untimed = false }: { down: RegExp; secrets?: string[]; untimed?: boolean },
): Promise<void> {
  try {
    await until(() => framesOf(camera, "red").length >= 10, "red comes", PATIENCE);
    expect(camera.source.status()).toMatchObject({ state: "live", reason: null });
    await sender.kill();
    await until(() => !["live", "frozen"].includes(camera.source.status().state), "it is noticed", PATIENCE);
    const atLeast = camera.states.length;
    await until(
      () => camera.states.slice(atLeast - 1).some((s) => down.test(`${s.state}: ${s.reason}`)),
      `${down}`,
      PATIENCE,
    );
    expect(camera.source.layout).toMatchObject({ width: 160, height: 120 });
    const last = camera.seen.at(-1)!;
    await sender.start("blue");
    await until(() => framesOf(camera, "blue").length >= 10, "blue comes", PATIENCE);
    const next = framesOf(camera, "blue").at(-1)!;
    expect(next.epoch).toBe(last.epoch + 1);
    expect(next.sequence).toBeGreaterThan(last.sequence);
    expect(camera.source.status()).toMatchObject({ state: "live", reason: null });
    expectGoodTimes(camera, { untimed });
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

async function untilSaid(camera: Watched, reason: RegExp): Promise<string> {
  await until(
    () => camera.states.some((s) => reason.test(s.reason ?? "")),
    `it says ${reason}; it says ${told(camera)}`,
  );
  return camera.states.find((s) => reason.test(s.reason ?? ""))!.reason!;
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
    await expectToGoOn(camera, sender, { down: /^stalled: no frame came for 1 s$/ });
  });

  test("MPEG-TS over multicast", async (t) => {
    const port = await freePort();
    const address = `udp://239.255.77.1:${port}`;
    const sender = await begun(
      t,
      ffmpegSender([...MPEG2, "-f", "mpegts", `${address}?pkt_size=1316&localaddr=127.0.0.1&ttl=0`]),
    );
    const camera = watched(t, { url: `${address}?localaddr=127.0.0.1`, inputOptions: soon }, { probeMs: 3000 });
    await expectToGoOn(camera, sender, { down: /^stalled: no frame came for 1 s$/ });
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
    await expectToGoOn(camera, sender, { down: /^(?:failed: the stream ended|stalled: no frame)/ });
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
    const down = /^(?:failed: .*Connection refused|stalled)/;
    await expectToGoOn(camera, sender, { down, secrets: [SECRET], untimed: true });
  });

  test.for([
    ["broken off", "SIGKILL", /^failed: .* has not gone on: all that it holds was shown already$/],
    ["finished", "SIGTERM", /^failed: .* was live and has ended; it is waited for$/],
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
    const camera = watched(t, { url: `http://127.0.0.1:${port}/live.m3u8?token=${SECRET}`, stallSeconds: 4 });
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

/** A film or picture of one colour. */
function make(name: string, colour: Colour, ...more: string[]): string {
  const path = join(folder, name);
  ffmpeg("-f", "lavfi", "-i", `color=${colour}:size=160x120:rate=20`, ...more, path);
  return path;
}

describe.concurrent("over HTTP", () => {
  test.for([
    ["film.mp4", ["-t", "1", ...H264, "-movflags", "+faststart"], 20],
    ["vod.m3u8", ["-t", "2", ...H264, "-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod"], 40],
  ] as const)("%s behind a login is played once at its own speed, and ends", async ([name, args, frames], t) => {
    mkdirSync(join(folder, `of-${name}`));
    make(`of-${name}/${name}`, "lime", ...args);
    const files = locked(`viewer:${SECRET}`, (request, response) =>
      response.end(readFileSync(join(folder, `of-${name}`, request.url!))),
    );
    const server = await httpServer(files);
    t.onTestFinished(() => server.end());
    const began = Date.now();
    const film = watched(t, { url: `http://viewer:${SECRET}@127.0.0.1:${portOf(server)}/${name}` });
    await until(() => film.source.isFinished, "it ends");
    expect(film.source.status()).toMatchObject({ state: "ended", reason: null, restarts: 0 });
    expect(framesOf(film, "lime")).toHaveLength(frames);
    // Not from its first frame on: on a busy machine that comes late, and those behind it at once.
    expect(film.seen.at(-1)!.takenAt - began).toBeGreaterThan(frames * 50 * 0.7);
    expectGoodTimes(film, { live: false });
    expect(told(film)).not.toContain(SECRET);
  });

  test.for([
    ["in-parts.webm", ["-t", "1", "-c:v", "libvpx", "-deadline", "realtime", "-live", "1"], true],
    ["rec.webm", ["-t", "1", "-c:v", "libvpx", "-deadline", "realtime", "-live", "1"], false],
    ["rec.ts", ["-t", "1", ...H264], false],
    ["rec.mjpeg", ["-t", "1", "-c:v", "mjpeg", "-q:v", "1"], false],
  ] as const)("%s, which says no duration, is played once", async ([name, args, ranges], t) => {
    const film = readFileSync(make(name, "lime", ...args));
    let asked = 0;
    const server = await httpServer((request, response) => {
      asked++;
      const from = ranges ? Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? Number.NaN) : Number.NaN;
      const rest = Number.isNaN(from) ? film : film.subarray(from);
      const part = { "accept-ranges": "bytes", "content-range": `bytes ${from}-${film.length - 1}/${film.length}` };
      response.writeHead(Number.isNaN(from) ? 200 : 206, {
        "content-length": rest.length,
        ...(Number.isNaN(from) ? {} : part),
      });
      response.end(rest);
    });
    t.onTestFinished(() => server.end());
    const url = `http://127.0.0.1:${portOf(server)}/${name}`;
    const played = watched(t, { url, policy: "every-frame" });
    await until(() => played.source.isFinished, `it ends; it was asked for ${asked} times`);
    expect(played.source.status()).toMatchObject({ state: "ended", reason: null, restarts: 0 });
    expect(played.seen.length).toBeGreaterThanOrEqual(20);
    expect(played.seen.length).toBeLessThanOrEqual(25);
  });

  test.for(["/live.m3u8", "/live"])("an HLS playlist (%s) may name its segments as it likes", async (path, t) => {
    const segment = readFileSync(make(`segment-of${path.replace("/", "-")}.ts`, "lime", "-t", "1", ...H264));
    const list = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsegment?id=1\n#EXTINF:1,\n/data/2\n#EXT-X-ENDLIST\n";
    const server = await httpServer((request, response) => response.end(request.url === path ? list : segment));
    t.onTestFinished(() => server.end());
    const film = watched(t, { url: `http://127.0.0.1:${portOf(server)}${path}`, policy: "every-frame" });
    await until(() => film.source.isFinished, `it ends; ${told(film)}`);
    expect(film.source.status()).toMatchObject({ state: "ended", restarts: 0 });
    expect(framesOf(film, "lime")).toHaveLength(40);
  });

  test("a stream whose server claims a length that is none is live", () => {
    const { traits } = sourceSpec(config({ url: "http://cam/video" }), "/").kind;
    const probed = { ...PROBED, format: "mpegts" };
    const finite = (size?: number) => traits!({ ...probed, size }, config({ url: "http://cam/video" })).finite;
    expect([finite(), finite(2 ** 31 - 1), finite(2 ** 50), finite(100_000)]).toEqual([false, false, false, true]);
  });

  test.for([
    ["JPEG", "jpg", "/snap.jpg", {}],
    ["JPEG of no ending", "jpg", "/cgi-bin/snapshot?channel=1", {}],
    ["PNG", "png", "/cgi-bin/snapshot", {}],
    ["JPEG of unknown length", "jpg", "/cgi-bin/snapshot?chunked", {}],
    ["JPEG that is asked for with options", "jpg", "/cgi-bin/snapshot", { inputOptions: ["-user_agent camera"] }],
  ] as const)(
    "a snapshot (%s) is asked for again and again at the configured rate",
    async ([, kind, path, more], t) => {
      const name = path.replace(/\W/g, "-");
      const pictures = (["red", "blue"] as const).map((colour) =>
        readFileSync(make(`${name}-${colour}-${Object.keys(more).length}.${kind}`, colour, "-frames:v", "1")),
      );
      let asked = 0;
      const server = await httpServer((_request, response) => {
        const picture = pictures[asked++ < 4 ? 0 : 1]!;
        if (path.endsWith("chunked")) response.write(picture.subarray(0, 100));
        else response.writeHead(200, { "content-length": picture.length });
        response.end(path.endsWith("chunked") ? picture.subarray(100) : picture);
      });
      t.onTestFinished(() => server.end());
      const url = `http://127.0.0.1:${portOf(server)}${path}`;
      const camera = watched(t, {
        url,
        fps: 4,
        // Not about that: a busy machine may take a second for a picture.
        stallSeconds: 20,
        ...more,
        inputOptions: [...("inputOptions" in more ? more.inputOptions : [])],
      });
      await until(() => framesOf(camera, "blue").length >= 4, `new pictures come; ${told(camera)}`);
      // It was not left to be tried again later.
      expect(new Set(camera.states.map(({ state }) => state))).toEqual(new Set(["connecting", "live"]));
      expect(camera.source.status().restarts).toBe(0);
      const times = camera.seen.map(({ takenAt }) => takenAt);
      // All after the first are asked for after it had come; what a busy machine kept waiting may come in a burst.
      expect((times.at(-1)! - times[0]!) / (times.length - 2)).toBeGreaterThan(230);
      expectGoodTimes(camera, { untimed: true });
    },
  );

  test("a snapshot that fails now and then is asked for again, and failures with pictures between them do not add up", async (t) => {
    const picture = readFileSync(make("now-and-then.jpg", "red", "-frames:v", "1"));
    let asked = 0;
    const server = await httpServer((_request, response) => {
      // The look at it succeeds, and what is to be decoded does not come.
      if (asked++ % 4 === 1) response.writeHead(503).end();
      else response.writeHead(200, { "content-length": picture.length }).end(picture);
    });
    t.onTestFinished(() => server.end());
    const attempts: number[] = [];
    const delay = (attempt: number): number => {
      attempts.push(attempt);
      return 100;
    };
    const url = `http://127.0.0.1:${portOf(server)}/cgi-bin/snapshot`;
    const inputOptions = ["-user_agent camera"];
    const camera = watched(t, { url, fps: 4, inputOptions }, { delay });
    await until(() => attempts.length >= 3 && camera.seen.length >= 3, `it goes on; ${told(camera)}`);
    expect(new Set(attempts)).toEqual(new Set([0]));
  });

  test("a snapshot is asked for once a second where no rate is configured", () => {
    const url = "http://cam/cgi-bin/snapshot";
    const { traits } = sourceSpec(config({ url }), "/").kind;
    const probed = { ...PROBED, format: "jpeg_pipe" };
    expect(traits!(probed, config({ url })).repeats?.seconds).toBe(1);
    expect(traits!(probed, config({ url, fps: 0.2 })).repeats?.seconds).toBe(5);
    expect(traits!({ ...probed, format: "mpegts" }, config({ url })).repeats).toBeUndefined();
  });

  test.for([
    [401, /cannot be reached: .*401 Unauthorized/],
    [404, /cannot be reached: .*404 Not Found/],
    [500, /cannot be reached: .*5XX Server Error/],
  ] as const)("a server that answers %d is tried again, and its answer is the reason", async ([status, words], t) => {
    const server = await httpServer((_request, response) => void response.writeHead(status).end());
    t.onTestFinished(() => server.end());
    const camera = watched(t, { url: `http://viewer:${SECRET}@127.0.0.1:${portOf(server)}/cam?key=${SECRET}` });
    await untilSaid(camera, words);
    await until(() => camera.source.status().restarts >= 2, "it is tried again");
    expect(told(camera)).not.toContain(SECRET);
  });

  test("a server that accepts and stays silent is given up and tried again", async (t) => {
    const server = await silent();
    t.onTestFinished(() => server.end());
    const camera = watched(t, { url: `http://127.0.0.1:${portOf(server)}/cam` }, { probeMs: 1500 });
    await untilSaid(camera, /gave no pictures within 1\.5 s$/);
    await until(() => camera.source.status().restarts >= 2, "it is tried again");
  });
});

describe.concurrent("on this machine", () => {
  test("a V4L2 device that is not plugged in is waited for", async (t) => {
    const camera = watched(t, { url: "/dev/video99" });
    expect(await untilSaid(camera, /video99/)).toMatch(
      /\/dev\/video99 cannot be reached: .*No such file or directory$/,
    );
    await until(() => camera.source.status().restarts >= 2, "it is tried again");
  });

  test("the test picture keeps time", async (t) => {
    const picture = watched(t, { url: "testsrc", width: 160, height: 120, fps: 10, stallSeconds: 20 });
    await until(() => picture.seen.length >= 15, "it comes");
    expectGoodTimes(picture);
    const { pts } = picture.seen[0]!;
    for (const [i, frame] of picture.seen.entries()) {
      expect(frame.pts - pts).toBeCloseTo((frame.sequence - picture.seen[0]!.sequence) / 10, 3);
      expect(frame.sequence).toBeGreaterThanOrEqual(i);
    }
  });

  test.for(["mp4", "ts"])("a looping film (%s) that is replaced begins anew as what it is now", async (kind, t) => {
    const film = make(`film.${kind}`, "red", "-t", "0.5", ...H264);
    const other = make(`other.${kind}`, "blue", "-t", "0.5", "-vf", "scale=80:60", ...H264);
    const source = watched(t, { url: film, loop: true });
    await until(() => framesOf(source, "red").length >= 25, "it loops");
    renameSync(other, film);
    await until(() => framesOf(source, "blue").length >= 25, "what replaced it comes");
    expect(source.source.layout).toMatchObject({ width: 80, height: 60 });
    expect(source.seen.at(-1)!.colour).toBe("blue");
    expectGoodTimes(
      {
        ...source,
        seen: framesOf(source, "red")
          .concat(framesOf(source, "blue"))
          .filter((f) => f.epoch > 0),
      },
      { live: false },
    );
    expect(source.source.status()).toMatchObject({ state: "live", restarts: 0 });
    expect(source.ledger.snapshot().dropped["decode-error"] ?? 0).toBe(0);
  });

  test("a looping film that grows is played to its new end", async (t) => {
    const film = make("grows.ts", "red", "-t", "0.5", ...MPEG2);
    const rest = readFileSync(make("rest.ts", "blue", "-t", "0.5", "-output_ts_offset", "0.5", ...MPEG2));
    const source = watched(t, { url: film, loop: true });
    await until(() => framesOf(source, "red").length >= 10, "it loops");
    writeFileSync(film, rest, { flag: "a" });
    await until(() => framesOf(source, "blue").length >= 10, "what was added comes");
    const reds = framesOf(source, "red").length;
    await until(() => framesOf(source, "red").length > reds, "its beginning still comes");
  });

  test.for(["", "/*.png"])(
    "a looping folder%s takes up pictures that come and leaves those that go",
    async (glob, t) => {
      const name = glob ? "glob" : "pictures";
      mkdirSync(join(folder, name));
      const red = make(`${name}/1.png`, "red", "-frames:v", "1");
      const source = watched(t, { url: `${join(folder, name)}${glob}`, loop: true, fps: 20 });
      await until(() => framesOf(source, "red").length >= 5, "the first comes");
      copyFileSync(make(`${name}-2.png`, "blue", "-frames:v", "1"), join(folder, name, "2.png"));
      await until(() => framesOf(source, "blue").length >= 3, "the second comes");
      rmSync(red);
      await until(() => source.seen.slice(-10).every((f) => f.colour === "blue"), "the first is gone");
      rmSync(join(folder, name, "2.png"));
      await untilSaid(source, /holds no pictures|[Nn]o such file/);
      make(`${name}/3.png`, "lime", "-frames:v", "1");
      await until(() => framesOf(source, "lime").length >= 3, "pictures come again");
    },
  );
});

test("no source holds up another: one silent, one whose look hangs, one that floods with words", async (t) => {
  const script = (name: string, lines: string): string => {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\n${lines}\n`);
    chmodSync(path, 0o755);
    return path;
  };
  const before = { ...process.env };
  t.onTestFinished(() => {
    for (const name of ["FFMPEG_PATH", "FFPROBE_PATH"]) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  });
  process.env.FFMPEG_PATH = script(
    "ffmpeg",
    'case "$*" in *flood*) exec yes "[error] flood" >&2;; *) exec ffmpeg "$@";; esac',
  );
  process.env.FFPROBE_PATH = script(
    "ffprobe",
    'trap "" TERM; case "$*" in *hangs*) sleep 20;; *) exec ffprobe "$@";; esac',
  );
  const server = await silent();
  t.onTestFinished(() => server.end());
  const at = `tcp://127.0.0.1:${portOf(server)}`;
  const picture = watched(t, { url: "testsrc", width: 160, height: 120, fps: 10 });
  await until(() => picture.seen.length >= 5, "the test picture comes");
  const mute = watched(t, { url: at, width: 160, height: 120 }, { connectMs: 2000 });
  const hangs = watched(t, { url: `${at}/hangs` }, { probeMs: 1000 });
  const floods = watched(t, { url: `${at}/flood`, width: 160, height: 120 }, { connectMs: 3000 });
  const from = picture.seen.length - 1;
  const used = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, 6000));
  const { user, system } = process.cpuUsage(used);
  expect((user + system) / 6e6).toBeLessThan(0.5);
  const span = picture.seen.slice(from);
  const [first, last] = [span[0]!, span.at(-1)!];
  // Every picture by its own clock, and of the six seconds hardly one is missing, however busy the machine is.
  expect((last.sequence - first.sequence) / (last.pts - first.pts)).toBeCloseTo(10, 1);
  expect(last.pts - first.pts).toBeGreaterThan(4.5);
  expect(picture.source.status()).toMatchObject({ state: "live", restarts: 0 });
  await untilSaid(mute, /^no frame came for 2 s$/);
  await untilSaid(hangs, /gave no pictures within 1 s$/);
  await untilSaid(floods, /^no frame came for 3 s$/);
  expect(floods.source.status().ffmpeg.length).toBeLessThanOrEqual(100);
});

const odd = fc
  .string({ unit: fc.constantFrom(..."abXY09!$*(),;._~@:/?%=+^#& "), minLength: 4, maxLength: 20 })
  .map((text) => `Zq${text}9`);
const ADDRESSES: ((secret: string) => string)[] = [
  (s) => `rtsp://admin:${s}@camera.local:554/stream@1?channel=2`,
  (s) => `rtmp://u:${s}@10.0.0.5/live/x?token=${s}`,
  (s) => `https://u:${s}@host/live.m3u8?size=2&access_token=${s}&fps=5`,
  (s) => `http://host/video.mjpg?user=a&pwd=${s}`,
  (s) => `srt://10.0.0.5:9000?mode=caller&passphrase=${s}&streamid=read:cam:u:${s}&latency=200`,
  (s) => `tcp://u:${s}@host:5000`,
  (s) => `udp://239.0.0.1:5000?key=${s}`,
];
const OPTIONS: ((secret: string) => string[])[] = [
  () => [],
  (s) => ["-passphrase", s],
  (s) => [`-password ${s}`],
  (s) => ["-headers", `Accept: */*\r\nX-Camera: ${s}\r\n`],
  (s) => ["-headers", `Authorization: Bearer ${s}`],
];

test("whatever the kind of address and however its secret is written, nobody is told it", () => {
  fc.assert(
    fc.property(odd, fc.constantFrom(...ADDRESSES), fc.constantFrom(...OPTIONS), (plain, address, options) => {
      const encoded = encodeURIComponent(plain);
      const url = address(encoded);
      const spec = sourceSpec(config({ url, inputOptions: options(plain) }), "/");
      const stderrTail = new StderrTail(spec.mask);
      const basic = Buffer.from(`admin:${plain}`).toString("base64");
      const lines = [
        `[error] ${url}: Input/output error`,
        `[tcp @ 0x55b75878d800] [error] Connection to ${url} failed: Connection refused`,
        `[error] login failed for ${plain}.`,
        `[error] tried '${encoded}' and ${encoded.toLowerCase()}`,
        `[error] ${address(plain)} is no address`,
      ];
      for (const line of lines) stderrTail.add(line);
      const all = [
        ...stderrTail.lines(),
        stderrTail.summary(),
        spec.about.subject,
        spec.mask(`sent ${url.startsWith("rtsp") ? basic : ""}`),
      ].join("\n");
      for (const secret of [plain, encoded, basic]) expect(all).not.toContain(secret);
      expect(all).toContain("Connection refused");
    }),
    { numRuns: 500 },
  );
});

test("a secret that stands where a long line of ffmpeg's is cut shows no half of itself", () => {
  const { mask } = sourceSpec(config({ url: "rtsp://me:geheim-4711-geheim@cam/1" }), "/");
  for (let before = 4060; before < 4100; before++) {
    const stderrTail = new StderrTail(mask);
    stderrTail.write(`[error] ${"x ".repeat(before / 2)}geheim-4711-geheim ${"y".repeat(100)}\n`);
    expect(stderrTail.lines()).toHaveLength(1);
    expect(stderrTail.lines().join()).not.toMatch(/geh|4711/);
  }
});
