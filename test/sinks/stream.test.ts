import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { streamSinkSchema } from "../../src/config/schema.js";
import type { Sink } from "../../src/sinks/sink.js";
import { streamFaults } from "../../src/sinks/stream/check.js";
import { createStreamSink } from "../../src/sinks/stream/index.js";
import { SourceStream, STREAM_LIMITS } from "../../src/sinks/stream/source-stream.js";
import { isRunning } from "../pipeline/helpers.js";
import { temporaryFolder } from "../support/folders.js";
import { freePort } from "../support/ports.js";
import { type RtspRecorder, startRtspRecorder } from "../support/rtsp-recorder.js";
import { message, pause, recordingContext, until } from "../support/sinks.js";
import { summary } from "./viewer-stream.js";

// Of a machine that has nothing else to do these take seconds.
vi.setConfig({ testTimeout: 300_000 });

const SIZE = { width: 160, height: 120 };
let pictures: Buffer[];
let smaller: Buffer;
const sinks: Sink[] = [];
const servers: RtspRecorder[] = [];

const painted = (red: number, { width, height } = SIZE): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: { r: red, g: 90, b: 60 } } })
    .jpeg()
    .toBuffer();
beforeAll(async () => {
  pictures = await Promise.all(Array.from({ length: 10 }, (_, i) => painted(25 * i)));
  smaller = await painted(99, { width: 80, height: 60 });
});
afterEach(async () => {
  await Promise.all(sinks.splice(0).map((sink) => sink.close(2_000).catch(() => undefined)));
  await Promise.all(servers.splice(0).map((server) => server.kill()));
});

async function start(config: object, folder = temporaryFolder()) {
  const { context, recorded } = recordingContext(folder);
  let restarts = 0;
  const onRestarted = (): void => void restarts++;
  const events = { ...context.events, onRestarted };
  const sink = createStreamSink(streamSinkSchema.parse({ kind: "stream", ...config }), { ...context, events });
  await sink.connect();
  sinks.push(sink);
  return { sink, recorded, folder, restarts: () => restarts };
}

/** A frame with its overlay, `ms` after the first; of a film unless it says otherwise. */
function send(sink: Sink, source: string, sequence: number, ms: number, whenFull: "wait" | "drop" = "wait") {
  const time = new Date(1_700_000_000_000 + ms).toISOString();
  const body = pictures[sequence % pictures.length]!;
  const overlay = message("overlay", source, sequence, { time, body, whenFull });
  return sink.write({ source, summary: summary(source, sequence, { frame: SIZE }), messages: [overlay] });
}

/** A live source, each 40 ms, until it holds. Resolves to how many overlays it gave. */
async function goOn(sink: Sink, source: string, what: string, holds: () => boolean): Promise<number> {
  const began = Date.now();
  let count = 0;
  await until(
    what,
    async () => {
      await send(sink, source, count++, Date.now() - began, "drop");
      await pause(20);
      return holds();
    },
    150_000,
  );
  return count;
}

interface Probed {
  streams: { codec_name: string; width: number; height: number; pix_fmt: string; nb_read_frames: string }[];
  packets: { pts_time: string }[];
}
/** Empty where there is none yet. */
const textOf = (path: string): string => (existsSync(path) ? readFileSync(path, "utf8") : "");

/** What is in a film by now; undefined of one that has no picture yet. */
function probed(path: string): ReturnType<typeof probe> | undefined {
  try {
    return probe(path);
  } catch {
    return undefined;
  }
}

function probe(path: string) {
  const shown = "stream=codec_name,width,height,pix_fmt,nb_read_frames:packet=pts_time";
  const args = [
    "-v",
    "error",
    "-count_frames",
    "-show_streams",
    "-show_packets",
    "-show_entries",
    shown,
    "-of",
    "json",
  ];
  const { streams, packets } = JSON.parse(
    execFileSync("ffprobe", [...args, path], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
  ) as Probed;
  const times = packets.map(({ pts_time }) => Number(pts_time));
  return { ...streams[0]!, frames: Number(streams[0]!.nb_read_frames), times: times.map((time) => time - times[0]!) };
}

describe("a folder of HLS", () => {
  it("holds every overlay of a film at its own time, in as many segments as it may, and is whole at the end", async () => {
    const { sink, recorded, folder } = await start({
      url: "hls/{station}/{source}",
      hls: { segmentSeconds: 2, segments: 3 },
    });
    // What an earlier run left.
    const at = join(folder, "hls/line-3/belt");
    mkdirSync(at, { recursive: true });
    writeFileSync(join(at, "segment-12.ts"), "old");
    writeFileSync(join(at, "notes.txt"), "mine");
    // Uneven, 24 seconds.
    const times = Array.from({ length: 60 }, (_, i) => i * 400 + (i % 3) * 50);
    for (const [i, ms] of times.entries()) await send(sink, "belt", i, ms);
    await sink.close(20_000);
    expect(recorded.published).toHaveLength(60);
    expect(recorded.dropped).toEqual([]);
    const playlist = readFileSync(join(at, "playlist.m3u8"), "utf8");
    expect(playlist.trimEnd().split("\n").at(-1)).toBe("#EXT-X-ENDLIST");
    const listed = playlist.match(/^segment-\d+\.ts$/gm)!;
    expect(listed).toHaveLength(3);
    // The one that left the playlist last is kept for who is reading it.
    const kept = readdirSync(at).filter((name) => name.endsWith(".ts"));
    expect(kept.length).toBeLessThanOrEqual(3 + 2);
    expect(kept).not.toContain("segment-12.ts");
    expect(existsSync(join(at, "notes.txt"))).toBe(true);
    const { codec_name, width, height, pix_fmt, frames, times: shown } = probe(join(at, "playlist.m3u8"));
    expect({ codec_name, width, height, pix_fmt }).toEqual({ codec_name: "h264", pix_fmt: "yuv420p", ...SIZE });
    const last = times.slice(-frames);
    expect(shown.map((time) => Math.round(time * 1000))).toEqual(last.map((ms) => ms - last[0]!));
  });

  it("is opened to nobody else unless mode says so", async () => {
    const { sink, recorded, folder } = await start({ url: "a/{source}" });
    const open = await start({ url: "b/{source}", mode: "0644" }, folder);
    await Promise.all([send(sink, "belt", 0, 0), send(open.sink, "belt", 0, 0)]);
    await Promise.all([sink.close(20_000), open.sink.close(20_000)]);
    expect([recorded.published, open.recorded.published]).toEqual([["overlay"], ["overlay"]]);
    const modes = ["a", "a/belt", "b", "b/belt"].map((name) => statSync(join(folder, name)).mode & 0o777);
    expect(modes).toEqual([0o700, 0o700, 0o755, 0o755]);
  });

  it("goes on behind a mark where the pictures get another size", async () => {
    const { sink, recorded, folder } = await start({ url: "{source}" });
    for (let i = 0; i < 5; i++) await send(sink, "belt", i, i * 40);
    const frame = { width: 80, height: 60 };
    const other = message("overlay", "belt", 5, { body: smaller });
    await sink.write({ source: "belt", summary: summary("belt", 5, { frame }), messages: [other] });
    await sink.close(20_000);
    expect(recorded.published).toHaveLength(6);
    const playlist = readFileSync(join(folder, "belt/playlist.m3u8"), "utf8");
    const [before, after] = playlist.split("#EXT-X-DISCONTINUITY").map((part) => /segment-\d+\.ts/.exec(part)![0]);
    expect([before, after].map((name) => probe(join(folder, "belt", name!)).width)).toEqual([160, 80]);
  });

  it("that cannot be written is told as away, in one sentence", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "taken"), "");
    const { sink, recorded } = await start({ url: "taken/{source}" }, folder);
    await send(sink, "belt", 0, 0);
    await until("the fault", () => !sink.status().connected);
    const why =
      "its folder cannot be written: a part of its path is not a folder; correct the path or choose another url";
    expect(sink.status()).toMatchObject({ reason: `source belt cannot go to taken/belt: ${why}`, dropped: 1 });
    expect(await sink.verify(100)).toBe(false);
    expect(recorded.log.filter((line) => line.includes("cannot go"))).toHaveLength(1);
  });
});

describe("an RTSP server", () => {
  it("gets a stream, which begins again when the server was killed and is back; every overlay is sent or counted", async () => {
    const folder = temporaryFolder();
    const port = await freePort();
    const { sink, recorded, restarts } = await start({ url: `rtsp://viewer:Z8-geheim@127.0.0.1:${port}/{source}` });
    const first = await startRtspRecorder(port, folder, ["belt"]);
    // The server writes what it has held back.
    const bytesOf = (server: RtspRecorder): number =>
      server.recorded("belt").reduce((sum, at) => sum + statSync(at).size, 0);
    const framesOf = (server: RtspRecorder): number =>
      server.recorded("belt").reduce((sum, at) => sum + (probed(at)?.frames ?? 0), 0);
    let given = await goOn(sink, "belt", "pictures there", () => recorded.published.length > 20 && bytesOf(first) > 0);
    expect(sink.status()).toMatchObject({ connected: true });
    await first.kill();
    given += await goOn(sink, "belt", "the fault", () => !sink.status().connected);
    const [before] = first.recorded("belt");
    const { codec_name, width, height } = probe(before!);
    expect({ codec_name, width, height }).toEqual({ codec_name: "h264", ...SIZE });
    const after = join(folder, "after");
    mkdirSync(after);
    servers.push(await startRtspRecorder(port, after, ["belt"]));
    const sent = recorded.published.length;
    const second = servers[0]!;
    let looks = 0;
    // Each look is a process of its own.
    const isBack = (): boolean => recorded.published.length > sent + 10 && looks++ % 25 === 24 && framesOf(second) > 5;
    given += await goOn(sink, "belt", "pictures again", isBack);
    await sink.close(20_000);
    expect(restarts()).toBeGreaterThan(0);
    expect(recorded.published.length + recorded.dropped.length).toBe(given);
    const reasons = new Set(recorded.dropped.map((entry) => entry.split(" ")[1]));
    expect([...reasons].filter((r) => !["connection-lost", "far-end-away", "encoder-slow"].includes(r!))).toEqual([]);
    const said = [...recorded.log, ...recorded.errors].join("\n");
    expect(said).toContain(`source belt goes to rtsp://***@127.0.0.1:${port}/belt`);
    expect(said).not.toContain("geheim");
  }, 180_000);
});

it("an RTMP server gets a stream", async () => {
  const folder = temporaryFolder();
  const port = await freePort();
  const path = join(folder, "got.flv");
  const input = `rtmp://127.0.0.1:${port}/live/belt`;
  const server = spawn("ffmpeg", ["-v", "error", "-listen", "1", "-i", input, "-c", "copy", path], { stdio: "ignore" });
  const over = new Promise((done) => server.once("exit", done));
  const { sink, recorded } = await start({ url: `rtmp://127.0.0.1:${port}/live/{source}` });
  const given = await goOn(sink, "belt", "pictures there", () => recorded.published.length > 20);
  await sink.close(20_000);
  await over;
  expect(recorded.published.length + recorded.dropped.length).toBe(given);
  expect(probe(path)).toMatchObject({ codec_name: "h264", ...SIZE });
}, 120_000);

describe("streams are bounded", () => {
  it("in their number: what is not streamed is not drawn, and said once; a removed source leaves its place", async () => {
    const { sink, recorded, folder } = await start({ url: "{source}", streams: 1 });
    const upcoming = { sequence: 0, label: "pass", explained: true };
    expect(sink.wantsOverlay!("first", upcoming)).toBe(true);
    expect(sink.wantsOverlay!("second", upcoming)).toBe(false);
    await send(sink, "first", 0, 0);
    await send(sink, "second", 0, 0);
    expect(recorded.dropped).toEqual(["overlay not-streamed"]);
    expect(recorded.log.filter((line) => line.includes("source second is not streamed, since 1 streams"))).toHaveLength(
      1,
    );
    sink.forget!("first");
    await until("its end", () => textOf(join(folder, "first/playlist.m3u8")).includes("#EXT-X-ENDLIST"));
    expect(sink.wantsOverlay!("second", upcoming)).toBe(true);
  });

  it("to one for a source that is removed and comes again at once: it begins when the other has ended", async () => {
    const { sink, recorded, folder } = await start({ url: "{source}" });
    for (let i = 0; i < 8; i++) await send(sink, "belt", i, i * 40);
    sink.forget!("belt");
    for (let i = 0; i < 5; i++) await send(sink, "belt", i, i * 40);
    await sink.close(20_000);
    // Of the first some are lost where it has to be ended by force.
    expect(recorded.published.length + recorded.dropped.length).toBe(13);
    const at = join(folder, "belt");
    const listed = readFileSync(join(at, "playlist.m3u8"), "utf8").match(/^segment-\d+\.ts$/gm);
    // What the first left is gone, and what the second made is whole.
    expect(readdirSync(at).filter((name) => name.endsWith(".ts"))).toEqual(listed);
    expect(probe(join(at, "playlist.m3u8")).frames).toBe(5);
  });

  it("to the sources that are named", async () => {
    const { sink } = await start({ url: "{source}", sources: ["belt"] });
    const upcoming = { sequence: 0, label: "pass", explained: true };
    expect(["belt", "hall"].map((source) => sink.wantsOverlay!(source, upcoming))).toEqual([true, false]);
  });
});

describe("one stream", () => {
  const open = (limits: Partial<typeof STREAM_LIMITS>, folder = temporaryFolder()) => {
    const told: string[] = [];
    const tell = (what: string) => () => void told.push(what);
    const stream = new SourceStream(
      {
        encoder: "libx264",
        mask: (text) => text,
        target: async (goesOn) => ({ kind: "hls", folder, segmentSeconds: 2, segments: 5, goesOn }),
        events: {
          onPublished: tell("published"),
          onDropped: (reason) => void told.push(reason),
          onConnected: tell("connected"),
          onAway: (why) => void told.push(`away: ${why}`),
          onRestarted: tell("restarted"),
          onIdle: tell("idle"),
        },
      },
      { ...STREAM_LIMITS, ...limits },
    );
    const picture = (at: number, isLive = true) => ({ jpeg: pictures[0]!, at, epoch: 1, isLive, ...SIZE });
    return { stream, told, folder, picture };
  };

  it("shows the last picture again while frames come without one, and ends when none come, to begin with the next", async () => {
    const { stream, told, folder, picture } = open({ againMs: 50, idleMs: 300 });
    await stream.offer(picture(0));
    const playlist = join(folder, "playlist.m3u8");
    await until("a stream that goes on", async () => {
      stream.beat(true);
      // Seconds of it, of one picture.
      return textOf(playlist).includes("#EXTINF");
    });
    await until("its end", () => {
      stream.beat(false);
      return told.includes("idle");
    });
    expect(readFileSync(playlist, "utf8")).toContain("#EXT-X-ENDLIST");
    expect(told).toEqual(["connected", "published", "idle"]);
    await stream.offer(picture(1_000));
    await stream.close(20_000);
    expect(told.filter((what) => what === "published")).toHaveLength(2);
  });

  it("is given up where nothing can be sent, and what was given to it is counted", async () => {
    const { stream, told, picture } = open({ stuckMs: 300, graceMs: 200 });
    await stream.offer(picture(0));
    await until("the process", () => stream.pid !== undefined);
    process.kill(stream.pid!, "SIGSTOP");
    const { pid } = stream;
    await stream.offer(picture(40));
    await until("the fault", () => {
      stream.beat(true);
      return told.some((what) => what.startsWith("away"));
    });
    expect(told).toContain("away: nothing could be sent for 0.3 s");
    expect(isRunning(pid!)).toBe(false);
    await stream.close(1_000);
    expect(told.filter((what) => what === "published" || what === "connection-lost")).toHaveLength(2);
  });

  it("drops a live source's oldest pictures where the encoder is slower, and lets a film wait", async () => {
    const live = open({ queued: 2 });
    for (let i = 0; i < 30; i++) void live.stream.offer(live.picture(i * 40));
    await live.stream.close(20_000);
    expect(live.told.filter((what) => what === "published")).toHaveLength(2);
    expect(live.told.filter((what) => what === "encoder-slow")).toHaveLength(28);
    const film = open({ queued: 2 });
    for (let i = 0; i < 30; i++) await film.stream.offer(film.picture(i * 40, false));
    await film.stream.close(20_000);
    expect(film.told.filter((what) => what === "published")).toHaveLength(30);
  });
});

it("what the installed ffmpeg cannot do is a fault of the configuration", async () => {
  expect(await streamFaults({ url: "rtsps://h/{source}", encoder: "libx264" })).toEqual([]);
  const [fault] = await streamFaults({ url: "out/{source}", encoder: "h264_videotoolbox" });
  expect(fault).toMatchObject({
    key: "encoder",
    message: expect.stringMatching(/^cannot be used, since ffmpeg \(.+\) has no encoder h264_videotoolbox; /),
  });
});
