import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer, type ServerResponse } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { SourceState, Timing } from "../../src/pipeline/index.js";
import { freePort } from "../support/ports.js";
import { ffmpeg, isRunning, type Opened, open, pull, temporaryFolder, until } from "./helpers.js";

const folder = temporaryFolder();
const quick: Partial<Timing> = { delay: () => 50, tickMs: 50, connectMs: 3000, probeMs: 8000, loopMs: 10 };
const small = { width: 160, height: 120 };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function opened(...args: Parameters<typeof open>): Opened & { states: SourceState[] } {
  const [overrides, options] = args;
  const source = open(overrides, { ...options, timing: { ...quick, ...options?.timing } });
  const states: SourceState[] = [];
  source.source.status$.subscribe((s) => states.push(s));
  cleanups.push(() => source.source.stop());
  return { ...source, states };
}

async function take({ source, ledger }: Opened, count: number): Promise<{ epoch: number; sequence: number }[]> {
  const taken: { epoch: number; sequence: number }[] = [];
  await pull(source, (frame) => {
    taken.push({ epoch: frame.epoch, sequence: frame.sequence });
    frame.release();
    ledger.explained();
    return taken.length < count;
  });
  return taken;
}

const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;

test("killed in its tracks, a live source is connected again: a new epoch, and its count goes on", async () => {
  const camera = opened({ url: "testsrc", ...small });
  const before = await take(camera, 5);
  const pid = camera.source.pid!;
  process.kill(pid, "SIGKILL");
  await until(() => camera.source.status().restarts === 1, "it is restarted");
  camera.source.discard("newer-frame");
  const after = await take(camera, 5);
  expect(before.every((f) => f.epoch === 0)).toBe(true);
  expect(after.every((f) => f.epoch === 1)).toBe(true);
  expect(after[0]!.sequence).toBeGreaterThan(before.at(-1)!.sequence);
  expect(camera.states.map((s) => s.state)).toEqual(["connecting", "live", "failed", "connecting", "live"]);
  expect(camera.states[2]!.reason).toMatch(/^ffmpeg was ended by SIGKILL after \d+ frames/);
  await camera.source.stop();
  expect(isRunning(pid)).toBe(false);
  const { inFlight, dropped } = camera.ledger.snapshot();
  expect(inFlight).toBe(0);
  expect(dropped["decode-error"] ?? 0).toBeLessThanOrEqual(1);
});

test("stopping leaves no process behind, even one that is held by a full pipe", async () => {
  const film = opened({ url: "bottles.mp4" }, { slabs: 3 });
  const camera = opened({ url: "testsrc", ...small });
  await until(() => film.source.isFull && camera.source.pid !== undefined && camera.source.queued > 0, "both run");
  const pids = [film.source.pid!, camera.source.pid!];
  await Promise.all([film.source.stop(), camera.source.stop()]);
  expect(pids.map(isRunning)).toEqual([false, false]);
  expect(camera.source.status()).toMatchObject({ state: "ended", reason: "it was stopped" });
  expect(camera.source.isFinished).toBe(true);
  expect(film.source.isFinished).toBe(false);
  film.source.discard("shutdown");
  expect(film.ledger.snapshot()).toMatchObject({ dropped: { shutdown: 3 }, inFlight: 0 });
});

test("stopped while it is only being looked at, a source ends at once", async () => {
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  cleanups.push(() => silent.close());
  await new Promise((resolve) => silent.once("listening", resolve));
  const camera = opened({ url: `tcp://127.0.0.1:${portOf(silent)}` });
  await new Promise((resolve) => silent.once("connection", resolve));
  await camera.source.stop();
  expect(camera.source.isFinished).toBe(true);
});

test("a source that is down at start is tried again and comes alive when its camera does", async () => {
  const port = await freePort();
  const camera = opened({ url: `tcp://admin:s3cretpw@127.0.0.1:${port}`, ...small }, { timing: { connectMs: 20_000 } });
  await until(() => camera.source.status().restarts >= 2, "it was tried again");
  const down = camera.states.find((s) => s.state === "failed")!;
  expect(down.reason).toMatch(/Connection refused/);
  expect(JSON.stringify(camera.states)).not.toContain("s3cretpw");
  const args = [
    "-v",
    "quiet",
    "-nostdin",
    "-re",
    "-f",
    "lavfi",
    "-i",
    "testsrc2=size=160x120:rate=25",
    "-c:v",
    "mpeg2video",
  ];
  const speak = () =>
    spawn("ffmpeg", [...args, "-f", "mpegts", `tcp://127.0.0.1:${port}?listen=1`], { stdio: "ignore" });
  // Each connection takes one listener.
  let speaker: ChildProcess = speak();
  let on = true;
  const again = () => {
    if (!on) return;
    speaker = speak();
    speaker.on("exit", again);
  };
  speaker.on("exit", again);
  cleanups.push(() => {
    on = false;
    speaker.kill("SIGKILL");
  });
  expect((await take(camera, 3)).map((f) => f.epoch)).toEqual([0, 0, 0]);
  expect(camera.source.status().state).toBe("live");
}, 60_000);

test("a camera that falls silent is stalled, then connected again", async () => {
  // Serves the beginning of a transport stream, then says nothing more.
  ffmpeg(
    "-f",
    "lavfi",
    "-i",
    "testsrc2=size=160x120:rate=25",
    "-t",
    "4",
    "-c:v",
    "mpeg2video",
    "-g",
    "5",
    join(folder, "begin.ts"),
  );
  const beginning = readFileSync(join(folder, "begin.ts"));
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.write(beginning);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const restarts: string[] = [];
  const camera = opened(
    { url: `tcp://127.0.0.1:${portOf(server)}`, ...small, stallSeconds: 0.5, inputOptions: ["-probesize 100000"] },
    { onRestart: (_source, reason) => restarts.push(reason) },
  );
  await until(() => camera.source.status().restarts >= 2, "it was connected again");
  expect(restarts[0]).toBe("stalled");
  const stalled = camera.states.find((s) => s.state === "stalled")!;
  expect(stalled.reason).toMatch(/^no frame came for/);
  expect(stalled.lastFrameAt).not.toBeNull();
}, 60_000);

test("a film over HTTP is played at its own speed, and its end is an end", async () => {
  ffmpeg(
    "-f",
    "lavfi",
    "-i",
    "testsrc2=size=160x120:rate=25",
    "-t",
    "1",
    "-c:v",
    "libx264",
    "-movflags",
    "+faststart",
    join(folder, "web.mp4"),
  );
  const film = readFileSync(join(folder, "web.mp4"));
  const server = createHttpServer((_request, response) => response.end(film)).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  cleanups.push(() => server.close());
  const web = opened({ url: `http://127.0.0.1:${portOf(server)}/web.mp4?token=verysecret` });
  const taken = await take(web, 1000);
  expect(taken.map((f) => f.sequence)).toEqual(Array.from({ length: 25 }, (_, i) => i));
  expect(web.source.status()).toMatchObject({ state: "ended", reason: null, restarts: 0 });
});

test("an MJPEG camera over HTTP is live, frozen while its picture stands still, and its end is a failure", async () => {
  ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25", "-frames:v", "20", join(folder, "part%d.jpg"));
  const pictures = Array.from({ length: 20 }, (_, i) => readFileSync(join(folder, `part${i + 1}.jpg`)));
  let moving = true;
  let sent = 0;
  const responses = new Set<ServerResponse>();
  const server = createHttpServer((_request, response) => {
    response.writeHead(200, { "content-type": "multipart/x-mixed-replace;boundary=part" });
    responses.add(response);
    response.on("close", () => responses.delete(response));
  }).listen(0, "127.0.0.1");
  const timer = setInterval(() => {
    if (moving) sent++;
    const picture = pictures[sent % pictures.length]!;
    for (const response of responses) {
      response.write(`--part\r\nContent-type: image/jpeg\r\nContent-length: ${picture.length}\r\n\r\n`);
      response.write(picture);
      response.write("\r\n");
    }
  }, 40);
  cleanups.push(() => {
    clearInterval(timer);
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => server.once("listening", resolve));
  const camera = opened(
    { url: `http://127.0.0.1:${portOf(server)}/video.mjpg`, ...small },
    { timing: { frozenMs: 800, connectMs: 20_000, probeMs: 20_000 } },
  );
  await take(camera, 10);
  expect(camera.states.map((s) => s.state)).toEqual(["connecting", "live"]);
  moving = false;
  await until(() => camera.source.status().state === "frozen", "it is frozen");
  expect(camera.source.status().reason).toBe("the picture has not changed for 0.8 s");
  moving = true;
  await until(() => camera.source.status().state === "live", "it moves again");
  for (const response of responses) response.end();
  await until(() => camera.source.status().restarts >= 1, "its end was noticed");
  expect(camera.states.find((s) => s.state === "failed")!.reason).toMatch(/^the stream ended after \d+ frames/);
}, 90_000);
