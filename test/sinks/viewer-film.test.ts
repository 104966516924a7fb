import { spawn } from "node:child_process";
import { createServer, get, request } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeAll, expect, it } from "vitest";
import { viewerSinkSchema } from "../../src/config/schema.js";
import { TIMES } from "../../src/http/connections.js";
import { createFilm, FILM_TIMES } from "../../src/sinks/viewer/film.js";
import { createViewerSink, type ViewerSink } from "../../src/sinks/viewer/index.js";
import { pathOf } from "../../src/sinks/viewer/routes.js";
import type { Visit } from "../../src/sinks/viewer/visit.js";
import { pause, recordingContext, until } from "../support/sinks.js";
import { type RawClient, rawClient } from "./viewer-raw.js";
import { FRAME, frame, type Shot, shots, status, summary, UPCOMING } from "./viewer-stream.js";

const ends: (() => void)[] = [];
const sinks: ViewerSink[] = [];
let pictures: Shot[];

beforeAll(async () => {
  pictures = await shots(4);
});
afterEach(async () => {
  for (const end of ends.splice(0)) end();
  await Promise.all(sinks.splice(0).map((sink) => sink.close(500)));
});

async function start(more: { token?: string } = {}) {
  const { context, recorded } = recordingContext();
  const sink = createViewerSink(viewerSinkSchema.parse({ kind: "viewer", port: 0, ...more }), context);
  await sink.connect();
  sinks.push(sink);
  return { sink, url: sink.url!, recorded };
}

let sequence = 0;
const send = (sink: ViewerSink, overlay: Uint8Array | undefined, more = {}) => {
  const of = summary("belt", ++sequence, more);
  return sink.write(frame(of, { heatmap: pictures[0]!.heatmap, overlay }));
};

/** Frames of the source at 20 a second, until the test ends. */
function play(sink: ViewerSink): void {
  const timer = setInterval(() => void send(sink, pictures[sequence % pictures.length]!.original), 50);
  ends.push(() => clearInterval(timer));
}

function run(program: string, args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}

/** The answer to a request; of a film its head alone. */
function ask(url: string, path: string, method = "GET", headers: Record<string, string> = {}) {
  return new Promise<{ code: number; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
    const asked = request(new URL(path, url), { method, headers }, (response) => {
      let body = "";
      const told = () => resolve({ code: response.statusCode!, headers: response.headers, body });
      if (response.headers["content-type"]?.startsWith("multipart")) {
        told();
        if (method === "GET") response.destroy();
      }
      response.on("data", (text) => (body += text));
      response.on("end", told);
    });
    asked.on("error", reject);
    asked.end();
  });
}

async function raw(url: string, path = "/belt.mjpg"): Promise<RawClient> {
  const client = await rawClient(url);
  ends.push(() => client.socket.destroy());
  client.socket.write(`GET ${path} HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`);
  return client;
}

/** The last picture of what a reader was sent. */
function lastPicture({ text }: RawClient): Buffer {
  const heads = [...text.matchAll(/Content-Length: (\d+)\r\n\r\n/g)];
  const whole = heads.filter((head) => text.length >= head.index + head[0].length + Number(head[1]));
  const { index, 0: head, 1: length } = whole.at(-1)!;
  return Buffer.from(text.slice(index + head.length, index + head.length + Number(length)), "latin1");
}

it("ffprobe finds a film of the overlays' size, and ffmpeg reads pictures as they come", async () => {
  const { sink, url, recorded } = await start();
  play(sink);
  const probe = ["-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0"];
  expect(await run("ffprobe", [...probe, `${url}belt.mjpg`])).toEqual({
    code: 0,
    output: `mjpeg,${FRAME.width},${FRAME.height}\n`,
  });
  const read = await run("ffmpeg", [
    "-v",
    "error",
    "-i",
    `${url}line-3/belt.mjpg`,
    "-frames:v",
    "10",
    "-f",
    "md5",
    "-",
  ]);
  expect(read).toMatchObject({ code: 0, output: expect.stringMatching(/^MD5=/) });
  expect(recorded.published.filter((kind) => kind === "overlay").length).toBeGreaterThanOrEqual(10);
  await until("both to be gone", () => !sink.wantsOverlay!("belt", UPCOMING));
});

it("overlays are wanted while the film of that source is read", async () => {
  const { sink, url } = await start();
  await sink.write(status("belt"));
  await sink.write(status("cam-2"));
  expect(sink.kinds.has("overlay")).toBe(true);
  expect(sink.wantsOverlay!("belt", UPCOMING)).toBe(false);
  const client = await raw(url);
  await until("the overlay to be wanted", () => sink.wantsOverlay!("belt", UPCOMING));
  expect(sink.wantsOverlay!("cam-2", UPCOMING)).toBe(false);
  client.socket.destroy();
  await until("nobody to read", () => !sink.wantsOverlay!("belt", UPCOMING));
});

it("a reader that does not read is owed one picture at a time, holds nobody up, and gets the newest when it reads again", async () => {
  const { sink, url } = await start();
  await sink.write(status("belt"));
  const slow = await raw(url);
  await until("the slow one", () => sink.wantsOverlay!("belt", UPCOMING));
  slow.socket.pause();
  const quick = await raw(url);
  await pause(100);
  const large = (i: number) => Buffer.alloc(3_000_000, i);
  for (let i = 1; i <= 30; i++) {
    await send(sink, large(i));
    if (i % 10 !== 0) continue;
    await until("the quick one to have it", () => quick.text.length > 3_000_000 && lastPicture(quick).equals(large(i)));
  }
  slow.socket.resume();
  await until("the newest picture", () => slow.text.length > 3_000_000 && lastPicture(slow).equals(large(30)));
  expect(slow.text.match(/image\/jpeg/g)!.length).toBeLessThan(8);
});

/** Films of their own, of sources that always have a frame or never one. */
async function films(times: Partial<typeof FILM_TIMES>, lastFrameAt: () => number | undefined) {
  const known = { find: (source: string) => [`line-3/${source}`], has: () => true, lastFrameAt };
  const film = createFilm(known, () => undefined, { ...FILM_TIMES, beatMs: 10, ...times });
  const visit: Visit = { access: { kind: "granted" }, misdirected: null, foreign: null };
  const server = createServer((asked, response) => film.serve(pathOf(asked), visit, asked, response));
  film.start();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(() => {
    film.stop();
    server.close();
    server.closeAllConnections();
  });
  return { film, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

it("a reader of a source at rest gets its last picture at once, once more soon, and again before the connection counts as idle", async () => {
  const { film, url } = await films({ againMs: 100, repeatMs: 400 }, () => undefined);
  const { original } = pictures[0]!;
  film.add("line-3/belt", original);
  const from = performance.now();
  const client = await raw(url);
  await until("the picture", () => client.text.includes("image/jpeg"));
  expect(lastPicture(client).equals(original)).toBe(true);
  await until("the picture three times more", () => client.text.match(/image\/jpeg/g)!.length > 3);
  // Not as fast as it can.
  expect(performance.now() - from).toBeGreaterThan(600);
  expect(Math.max(FILM_TIMES.againMs, FILM_TIMES.repeatMs) + FILM_TIMES.beatMs).toBeLessThan(TIMES.idle);
});

it("a source that is removed, and a page that ends, end their films", async () => {
  const { sink, url } = await start();
  for (const source of ["belt", "cam-2"]) {
    await sink.write(frame(summary(source, ++sequence), { overlay: pictures[0]!.original }));
  }
  const clients = [await raw(url), await raw(url, "/cam-2.mjpg")];
  await until("both films", () => clients.every(({ text }) => text.includes("image/jpeg")));
  for (const { socket } of clients) ends.push(() => socket.destroy());
  sink.forget!("belt");
  await until("the first end", () => clients[0]!.lasted !== undefined);
  expect(clients[1]!.lasted).toBeUndefined();
  await sink.close(500);
  await until("the second end", () => clients[1]!.lasted !== undefined);
  await start();
});

it("says in one sentence that frames come without overlays, or that none come", async () => {
  const classified = await films({ firstMs: 200 }, () => Date.now());
  expect(await ask(classified.url, "/belt.mjpg")).toMatchObject({
    code: 503,
    body: "frames of source belt come without an overlay: they are only classified, or overlays are not published\n",
  });
  for (const lastFrameAt of [undefined, 0]) {
    const silent = await films({ firstMs: 200 }, () => lastFrameAt);
    expect(await ask(silent.url, "/cam-2.mjpg")).toMatchObject({
      code: 503,
      body: "source cam-2 has given no frame for 0.2 s\n",
    });
  }
  expect(FILM_TIMES.firstMs + FILM_TIMES.beatMs).toBeLessThan(TIMES.idle);
});

it("names that are no source, HEAD and other methods are answered properly", async () => {
  const { sink, url } = await start();
  await send(sink, pictures[0]!.original);
  for (const path of ["/other.mjpg", "/line-4/belt.mjpg", "/belt.mjpg/", "/.mjpg", "/a/line-3/belt.mjpg"]) {
    expect((await ask(url, path)).code, path).toBe(404);
  }
  const head = await ask(url, "/belt.mjpg", "HEAD");
  expect(head.code).toBe(200);
  expect(head.headers).toMatchObject({
    "content-type": "multipart/x-mixed-replace; boundary=picture",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  expect(sink.wantsOverlay!("belt", UPCOMING)).toBe(false);
  expect((await ask(url, "/belt.mjpg", "POST")).code).toBe(405);
});

it("asks for the station where two have a source of that name", async () => {
  const { sink, url } = await start();
  for (const station of ["line-3", "line-4"]) {
    await sink.write(frame(summary("belt", ++sequence, { station }), { overlay: pictures[0]!.original }));
  }
  expect(await ask(url, "/belt.mjpg")).toMatchObject({ code: 404, body: expect.stringContaining("/line-3/belt.mjpg") });
  expect((await ask(url, "/line-4/belt.mjpg")).code).toBe(200);
});

it("keeps to the page's rules: its token, its names, and pages of other sites only with the token", async () => {
  const { sink, url } = await start({ token: "open-sesame" });
  await send(sink, pictures[0]!.original);
  expect((await ask(url, "/belt.mjpg")).code).toBe(401);
  expect((await ask(url, "/belt.mjpg?token=open-sesam")).code).toBe(401);
  const shown = await ask(url, "/belt.mjpg?token=open-sesame");
  expect(shown).toMatchObject({ code: 200, headers: { "cross-origin-resource-policy": "cross-origin" } });
  expect((await ask(url, "/belt.mjpg", "GET", { authorization: "Bearer open-sesame" })).code).toBe(200);
  const free = await start();
  await send(free.sink, pictures[0]!.original);
  // A page may set the header that a proxy sets.
  for (const more of [{}, { "x-forwarded-for": "10.0.0.9" }] as Record<string, string>[]) {
    expect((await ask(free.url, "/belt.mjpg", "GET", { host: "evil.example", ...more })).code).toBe(421);
  }
  expect(await ask(free.url, "/belt.mjpg")).toMatchObject({
    code: 200,
    headers: { "cross-origin-resource-policy": "same-origin" },
  });
});

it("has 32 readers; the next is told why it is turned away, until one leaves", async () => {
  const { sink, url } = await start();
  await send(sink, pictures[0]!.original);
  const agent = { agent: false } as const;
  const readers = await Promise.all(
    Array.from(
      { length: 32 },
      () =>
        new Promise<ReturnType<typeof get>>((resolve) => {
          const asked = get(`${url}belt.mjpg`, agent, (response) => response.once("data", () => resolve(asked)));
          asked.on("error", () => undefined);
          ends.push(() => asked.destroy());
        }),
    ),
  );
  expect(await ask(url, "/belt.mjpg")).toMatchObject({
    code: 503,
    body: "32 readers of films are connected already, which is the limit\n",
  });
  readers[0]!.destroy();
  await until("a place", async () => (await ask(url, "/belt.mjpg")).code === 200);
});

it("gives no place to films that are asked for behind another on its connection, which would keep it for good", async () => {
  const { sink, url } = await start();
  await send(sink, pictures[0]!.original);
  const client = await raw(url);
  const host = new URL(url).host;
  client.socket.write(`GET /belt.mjpg HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(3));
  await until("the film", () => client.text.includes("image/jpeg"));
  await pause(100);
  client.socket.destroy();
  await until("nobody to read", () => !sink.wantsOverlay!("belt", UPCOMING));
});
