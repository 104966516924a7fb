import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { viewerSinkSchema } from "../../src/config/schema.js";
import { createViewerSink, type ViewerSink } from "../../src/sinks/viewer/index.js";
import { createStallDetector } from "../../src/sinks/viewer/stall-detector.js";
import { bytesHeld } from "../support/collect-garbage.js";
import { pause, recordingContext, until } from "../support/sinks.js";
import { connectClient } from "./viewer-client.js";
import { masked, type RawClient, rawClient, upgradeRequest } from "./viewer-raw.js";
import { frame, PLACEMENT, summary, UPCOMING } from "./viewer-stream.js";

const KEY = "line-3/belt";
const TOKEN = "a-key-to-the-page";
const sinks: ViewerSink[] = [];
const ends: (() => void)[] = [];

async function start(more: { token?: string } = {}) {
  const config = viewerSinkSchema.parse({ kind: "viewer", port: 0, ...more });
  const sink = createViewerSink(config, recordingContext().context);
  await sink.connect();
  sinks.push(sink);
  return { sink, url: sink.url! };
}

async function raw(url: string, more?: { localAddress?: string }): Promise<RawClient> {
  const client = await rawClient(url, more);
  ends.push(() => client.socket.destroy());
  return client;
}

async function join(url: string, acknowledges = true) {
  const client = await connectClient(url, acknowledges);
  ends.push(() => client.socket.terminate());
  return client;
}

const picture = (bytes: number) => ({
  original: Buffer.alloc(bytes, 7),
  heatmap: Buffer.from("a png"),
  placement: PLACEMENT,
});

afterEach(async () => {
  for (const end of ends.splice(0)) end();
  await Promise.all(sinks.splice(0).map((sink) => sink.close(1000)));
});

describe("a client that pings", () => {
  it("without reading is owed one answer, not one for each", async () => {
    const { sink, url } = await start();
    const client = await join(url);
    client.socket.pause();
    await sink.write(frame(summary("belt", 0), picture(30_000_000)));
    await pause(200);
    let pongs = 0;
    client.socket.on("pong", () => pongs++);
    for (let i = 0; i < 50; i++) client.socket.ping(`${i}`);
    await pause(200);
    client.socket.resume();
    await until("the picture and an answer", () => client.pictures.length > 0 && pongs > 0);
    await pause(100);
    expect(client.socket.readyState).toBe(WebSocket.OPEN);
    expect(pongs).toBeLessThanOrEqual(2);
  });

  it("without end is cut off", async () => {
    const { url } = await start();
    const client = await join(url);
    const flood = setInterval(() => {
      for (let i = 0; i < 500; i++) client.socket.ping("x".repeat(125));
    }, 5);
    ends.push(() => clearInterval(flood));
    await until("the end", () => client.closed !== undefined, 8000);
    expect(client.closed).toMatchObject({ code: 1008 });
  });
});

describe("a client that never reads", () => {
  it("though it pings, is cut off when what it is owed does not become less", { timeout: 30_000 }, async () => {
    const { sink, url } = await start();
    const client = await raw(url);
    client.socket.write(upgradeRequest(url));
    await until("the greeting", () => client.text.includes("hello"));
    client.socket.pause();
    await sink.write(frame(summary("belt", 0), picture(30_000_000)));
    // An empty ping, masked as a client must.
    const ping = Buffer.from([0x89, 0x80, 0, 0, 0, 0]);
    const alive = setInterval(() => client.socket.write(ping), 500);
    ends.push(() => clearInterval(alive));
    await until("the end", () => client.lasted !== undefined, 20_000);
    expect(client.lasted).toBeLessThan(14_000);
    expect(sink.wantsOriginal!("belt", UPCOMING)).toBe(false);
  });

  it("though it says that it draws each picture, gets few", async () => {
    const { sink, url } = await start();
    const client = await raw(url);
    client.socket.write(upgradeRequest(url));
    await until("the greeting", () => client.text.includes("hello"));
    client.socket.pause();
    const before = await bytesHeld();
    for (let i = 1; i <= 200; i++) {
      await sink.write(frame(summary("belt", i), picture(500_000)));
      client.socket.write(masked(JSON.stringify({ type: "ack", key: KEY, id: i })));
      await pause(5);
    }
    expect((await bytesHeld()) - before).toBeLessThan(5_000_000);
    client.socket.resume();
    await until("the newest picture", () =>
      client.text.includes('"sequence":200,"frame":{"width":640,"height":360},"placement"'),
    );
    expect(client.text.length).toBeLessThan(12_000_000);
  });
});

it("of a backlog that becomes less nothing is cut, however long it takes", () => {
  let time = 0;
  const stallDetector = createStallDetector(() => time);
  for (let bytes = 30_000_000; bytes > 0; bytes -= 500_000) {
    time += 9_000;
    expect(stallDetector.isStuck(bytes)).toBe(false);
  }
  expect(stallDetector.isStuck(5_000_000)).toBe(false);
  time += 10_001;
  expect(stallDetector.isStuck(5_000_000)).toBe(true);
});

describe("a refused upgrade", () => {
  it("is answered with strict headers, and ends though the other side does not", async () => {
    const { url } = await start({ token: TOKEN });
    const bearer = { Authorization: `Bearer ${TOKEN}` };
    const cases: [string, string, Record<string, string>][] = [
      ["401", "/live", {}],
      ["404", "/else", bearer],
      ["403", "/live", { ...bearer, Origin: "http://evil.example" }],
      ["400", "/live", { ...bearer, "Sec-WebSocket-Key": "short" }],
    ];
    for (const [status, path, headers] of cases) {
      const client = await raw(url);
      client.socket.write(upgradeRequest(url, path, headers));
      await until(`${status} to end`, () => client.lasted !== undefined, 4000);
      expect(client.text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(client.text, status).toContain("Content-Security-Policy: default-src 'self'");
      expect(client.text, status).toContain("X-Content-Type-Options: nosniff");
    }
  });

  it("for want of room ends as well", async () => {
    const { url } = await start();
    for (let i = 0; i < 32; i++) await join(url);
    const client = await raw(url);
    client.socket.write(upgradeRequest(url));
    await until("the end", () => client.lasted !== undefined, 4000);
    expect(client.text).toContain("32 browsers are connected already");
  });
});

describe("a request", () => {
  it("that is broken is answered with strict headers", async () => {
    const { url } = await start();
    const cases: [string, string][] = [
      ["400", "NONSENSE\r\n\r\n"],
      ["400", "GET / HTTP/1.1\r\n\r\n"],
      ["431", `GET / HTTP/1.1\r\nHost: x\r\nLong: ${"y".repeat(2_000_000)}\r\n\r\n`],
      ["417", "GET / HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\n\r\n"],
    ];
    for (const [status, text] of cases) {
      const client = await raw(url);
      client.socket.write(text);
      await until(`an answer ${status}`, () => client.text.includes("\r\n\r\n"), 4000);
      expect(client.text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(client.text, status).toContain("Content-Security-Policy: default-src 'self'");
    }
  });

  it("that drips in, or never comes, or whose answer is never read, is cut after seconds", {
    timeout: 30_000,
  }, async () => {
    const { url } = await start();
    const [slow, silent, body, greedy] = [await raw(url), await raw(url), await raw(url), await raw(url)];
    slow.socket.write("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    body.socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
    greedy.socket.pause();
    greedy.socket.write("GET /main.js HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(5000));
    const drip = setInterval(() => {
      for (const { socket } of [slow, body, greedy]) if (socket.writable) socket.write("a");
    }, 300);
    ends.push(() => clearInterval(drip));
    await until("all to be cut", () => [slow, silent, body, greedy].every((c) => c.lasted !== undefined), 25_000);
    for (const { lasted } of [slow, silent, body]) expect(lasted).toBeLessThan(9000);
    expect(greedy.lasted).toBeLessThan(14_000);
    expect(slow.text).toMatch(/^HTTP\/1.1 408 [\s\S]*Content-Security-Policy/);
  });

  it("of one address leaves room for those of others", async () => {
    const { url } = await start();
    const crowd = await Promise.all(Array.from({ length: 300 }, () => raw(url)));
    await pause(300);
    const kept = crowd.filter((c) => c.lasted === undefined).length;
    expect(kept).toBeGreaterThanOrEqual(64);
    const other = await raw(url, { localAddress: "127.0.0.2" });
    other.socket.write(`GET / HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`);
    await until("an answer", () => other.text.length > 0, 2000);
    expect(other.text).toMatch(/^HTTP\/1.1 200 /);
  });
});

describe("the end of the page", () => {
  it("keeps its deadline, whatever hangs on it", async () => {
    const { sink, url } = await start({ token: TOKEN });
    const authorised = { Authorization: `Bearer ${TOKEN}` };
    const [silent, half, refused, deaf] = [await raw(url), await raw(url), await raw(url), await raw(url)];
    half.socket.write("GET / HTTP/1.1\r\nHost: ");
    refused.socket.write(upgradeRequest(url));
    deaf.socket.write(upgradeRequest(url, "/live", authorised));
    await until("both answers", () => refused.text.length > 0 && deaf.text.includes("hello"));
    deaf.socket.pause();
    const from = performance.now();
    await sink.close(400);
    // Requests that hang are cut after five seconds by themselves: the page did not wait for that.
    expect(performance.now() - from).toBeLessThan(4000);
    await until("all to be closed", () => [silent, half, refused].every((c) => c.lasted !== undefined), 4000);
  });
});

describe("messages of a browser", () => {
  const closes = async (send: (socket: WebSocket) => void) => {
    const { url } = await start();
    const client = await join(url);
    const flood = setInterval(() => send(client.socket), 5);
    ends.push(() => clearInterval(flood));
    await until("the connection to be closed", () => client.closed !== undefined, 8000);
    expect(client.closed!.code).toBe(1008);
  };

  it("that acknowledge what was never sent, at a high rate, close it", () =>
    closes((socket) => {
      for (let i = 0; i < 500; i++) socket.send(JSON.stringify({ type: "ack", key: KEY, id: i }));
    }));

  it("that watch something else again and again close it", () =>
    closes((socket) => {
      for (let i = 0; i < 100; i++) socket.send(JSON.stringify({ type: "watch", keys: [KEY] }));
    }));

  it("that name 10,000 sources close it", () =>
    closes((socket) =>
      socket.send(JSON.stringify({ type: "watch", keys: Array.from({ length: 10_000 }, (_, i) => `${i}`) })),
    ));

  it("that are pongs nobody asked for, without end, close it", () =>
    closes((socket) => {
      for (let i = 0; i < 500; i++) socket.pong();
    }));

  it("that acknowledge each picture do not, however many sources there are", async () => {
    const { sink, url } = await start();
    const client = await join(url);
    for (let round = 0; round < 30; round++) {
      for (let s = 0; s < 100; s++) await sink.write(frame(summary(`cam-${s}`, round), picture(100)));
      await pause(10);
    }
    await pause(100);
    expect(client.closed).toBeUndefined();
    expect(client.pictures.length).toBeGreaterThan(1000);
  });
});

it("a browser that stops reading keeps no picture from another, costs little memory and gets the newest picture when it reads again", async () => {
  const { sink, url } = await start();
  const readEach = async (quick: Awaited<ReturnType<typeof join>>, from: number) => {
    for (let i = from; i < from + 100; i++) {
      await sink.write(frame(summary("belt", i), picture(500_000)));
      await until(`picture ${i}`, () => quick.pictures.at(-1)?.sequence === i);
    }
  };
  const quick = await join(url);
  await readEach(quick, 0);
  const slow = await join(url);
  await until("its first picture", () => slow.pictures.length > 0);
  slow.socket.pause();
  quick.pictures.length = 0;
  const before = await bytesHeld();
  await readEach(quick, 100);
  expect(quick.pictures.length).toBe(100);
  const received = quick.pictures.reduce((sum, p) => sum + p.original.byteLength, 0);
  expect((await bytesHeld()) - before - received).toBeLessThan(5_000_000);
  slow.socket.resume();
  await until("the newest picture", () => slow.pictures.at(-1)?.sequence === 199);
  expect(slow.pictures.length).toBeLessThan(10);
});
