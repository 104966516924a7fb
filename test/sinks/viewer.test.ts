import { createHash, createHmac } from "node:crypto";
import { request } from "node:http";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { viewerSinkSchema } from "../../src/config/schema.js";
import { VideoExplainerError } from "../../src/errors.js";
import type { Summary } from "../../src/messages/summary.js";
import { createViewerSink, type ViewerSink } from "../../src/sinks/viewer/index.js";
import { encodePicture, parseClientMessage } from "../../src/sinks/viewer/protocol.js";
import { freePort } from "../support/nats-server.js";
import { pause, type Recorded, recordingContext, until } from "../support/sinks.js";
import { connectClient, decodePicture } from "./viewer-client.js";
import { frame, PLACEMENT, status, summary, UPCOMING } from "./viewer-stream.js";

const KEY = "line-3/belt";
const PICTURES = { original: Buffer.from("a jpeg"), heatmap: Buffer.from("a png"), placement: PLACEMENT };
const open: ViewerSink[] = [];
const clients: { socket: { terminate(): void } }[] = [];

async function start(
  port = 0,
  more: { token?: string; host?: string; hosts?: string[] } = {},
): Promise<{ sink: ViewerSink; url: string; recorded: Recorded }> {
  const { context, recorded } = recordingContext();
  const sink = createViewerSink(viewerSinkSchema.parse({ kind: "viewer", port, ...more }), context);
  await sink.connect();
  open.push(sink);
  return { sink, url: sink.url!, recorded };
}

async function join(url: string, acknowledges: boolean, headers?: Record<string, string>) {
  const client = await connectClient(url, acknowledges, headers);
  clients.push(client);
  return client;
}

/** A request whose path goes out exactly as written. */
function ask(url: string, path: string, method = "GET", headers = {}) {
  return new Promise<{ code: number; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const asked = request({ hostname, port, path, method, headers }, (response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () => resolve({ code: response.statusCode!, headers: response.headers, body }));
    });
    asked.on("error", reject);
    asked.end();
  });
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.terminate();
  await Promise.all(open.splice(0).map((sink) => sink.close(1000)));
});

describe("the page's files", () => {
  it("are served with strict headers and a tag to ask again with", async () => {
    const { url } = await start();
    const page = await ask(url, "/");
    expect(page.code).toBe(200);
    expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(page.headers["content-security-policy"]).toMatch(/^default-src 'self'.*frame-ancestors 'none'/);
    expect(page.headers["x-content-type-options"]).toBe("nosniff");
    expect(page.headers["referrer-policy"]).toBe("no-referrer");
    const files = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => `/${file}`);
    expect(files.length).toBeGreaterThan(5);
    for (const file of files) expect((await ask(url, file)).code, file).toBe(200);
    const again = await ask(url, "/main.js?v=1", "GET", { "if-none-match": (await ask(url, "/main.js")).headers.etag });
    expect(again.code).toBe(304);
  });

  it("name nothing outside of this server", async () => {
    const { url } = await start();
    const page = await ask(url, "/");
    const scripts = [...page.body.matchAll(/src="([^"]+\.js)"/g)].map(([, file]) => `/${file}`);
    for (const path of ["/", "/base.css", "/tile.css", "/layouts.css", "/theme.css", ...scripts]) {
      expect((await ask(url, path)).body, path).not.toMatch(/(https?:)?\/\/[a-z0-9.-]+\.[a-z]{2,}/i);
    }
  });

  it("are all there is: any other path is not found", async () => {
    const { url } = await start();
    for (const path of [
      "/../index.ts",
      "/../../../../../../etc/passwd",
      "/%2e%2e/index.ts",
      "/..%2findex.ts",
      "/..\\index.ts",
      "//etc/passwd",
      "/./main.js",
      "/page/main.js",
      "/constructor",
      "/__proto__",
      "/live",
      "/%00",
    ]) {
      expect((await ask(url, path)).code, path).toBe(404);
    }
    expect((await ask(url, "/", "POST")).code).toBe(405);
  });
});

describe("listening", () => {
  it("fails with one sentence when the port is in use", async () => {
    const port = await freePort();
    await start(port);
    const { context } = recordingContext();
    const second = createViewerSink(viewerSinkSchema.parse({ kind: "viewer", port }), context);
    const error = await second.connect().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(VideoExplainerError);
    expect((error as Error).message).toBe(
      `the live page cannot listen on 127.0.0.1:${port}: another program listens there; end it, or set its port to a free one`,
    );
    await second.close(100);
  });

  it("ends with browsers connected, and gives the port back", async () => {
    const { sink, url } = await start();
    const client = await join(url, true);
    await sink.close(1000);
    await until("the browser to be told", () => client.closed !== undefined);
    expect(sink.url).toBeUndefined();
    await start(Number(new URL(url).port));
  });

  it("does not begin after all when it is ended while it begins", async () => {
    const port = await freePort();
    const { context } = recordingContext();
    const sink = createViewerSink(viewerSinkSchema.parse({ kind: "viewer", port, token: "open-sesame" }), context);
    const connecting = sink.connect();
    await sink.close(100);
    await connecting;
    expect(sink.url).toBeUndefined();
    await start(port);
  });

  it("tells its address in the log", async () => {
    const { url, recorded } = await start();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    expect(recorded.log.join()).toContain(`live page at ${url}`);
    expect(recorded.connected).toEqual([{ connected: true }]);
  });
});

describe("who may connect", () => {
  it("is this page, and programs that are no browsers", async () => {
    const { url } = await start();
    const own = await join(url, true, { origin: url.slice(0, -1) });
    expect(own.messages[0]!.type).toBe("hello");
    expect((await join(url, true)).messages[0]!.type).toBe("hello");
  });

  it("is not the page of another site, nor one that goes by another name for this machine", async () => {
    const { url } = await start();
    const { host, port } = new URL(url);
    const foreign: Record<string, string>[] = [
      { origin: "http://evil.example" },
      { origin: `http://127.0.0.1:${Number(port) + 1}` },
      { origin: "null" },
      { origin: `https://evil.example:${port}`, host: `evil.example:${port}` },
      { host: `evil.example:${port}` },
    ];
    for (const headers of foreign) {
      expect((await join(url, true, headers)).refused, JSON.stringify(headers)).toMatch(/^403 /);
    }
    const proxied = { host: "monitor.example", origin: "https://monitor.example", "x-forwarded-for": "10.0.0.9" };
    expect((await join(url, true, proxied)).messages[0]!.type).toBe("hello");
    expect((await join(url, true, { origin: `http://${host}` })).refused).toBeUndefined();
  });

  it("is nobody who calls an open page by a foreign name, wherever it listens; with hosts, who uses one of those", async () => {
    for (const host of ["127.0.0.1", "::ffff:127.0.0.1"]) {
      const { url } = await start(0, { host, hosts: ["station.example"] });
      const page = `http://127.0.0.1:${new URL(url).port}/`;
      const foreign = { host: "evil.example", origin: "http://evil.example" };
      expect((await join(page, true, foreign)).refused).toMatch(
        /^403 .*nothing here answers to the name evil\.example/,
      );
      const refused = await ask(page, "/", "GET", { host: "evil.example" });
      expect([refused.code, refused.body]).toEqual([421, expect.stringContaining("allow the name (hosts")]);
      const own = { host: "station.example:8080", origin: "http://station.example:8080" };
      expect((await join(page, true, own)).messages[0]!.type).toBe("hello");
      expect((await ask(page, "/", "GET", { host: "station.example" })).code).toBe(200);
    }
  });

  it("is, of a page with a token, whoever has that, by any name", async () => {
    const { url } = await start(0, { token: "open-sesame" });
    const named = { host: "station.example", origin: "http://station.example" };
    expect((await join(url, true, named)).refused).toMatch(/^401 /);
    expect((await join(url, true, { ...named, authorization: "Bearer open-sesame" })).messages[0]!.type).toBe("hello");
  });

  it("is 32 browsers; the next is told why it is turned away, until one leaves", async () => {
    const { url } = await start();
    const first = await join(url, true);
    for (let i = 1; i < 32; i++) await join(url, true);
    const refused = await join(url, true);
    expect(refused.closed).toEqual({ code: 1013, reason: "32 browsers are connected already, which is the limit" });
    first.socket.close();
    await until("the place to be free", async () => (await join(url, true)).messages.length > 0);
  });

  it("loses the connection when it says what the page never says", async () => {
    const { url } = await start();
    const client = await join(url, true);
    client.socket.send('{"type":"ack"}');
    await until("the connection to be closed", () => client.closed?.code === 1008);
  });
});

describe("pictures", () => {
  it("come with the frame's size, place of the heatmap and both pictures", async () => {
    const { sink, url } = await start();
    const client = await join(url, true);
    await sink.write(frame(summary("belt", 7), PICTURES));
    await until("the picture", () => client.pictures.length > 0);
    expect(client.pictures[0]).toMatchObject({ key: KEY, sequence: 7, frame: { width: 640, height: 360 } });
    expect(client.pictures[0]!.placement).toEqual(PLACEMENT);
    expect(client.pictures[0]!.original.toString()).toBe("a jpeg");
    expect(client.pictures[0]!.heatmap.toString()).toBe("a png");
  });

  it("are not sent to a browser that has not drawn the last one, while another gets each and both get every figure", async () => {
    const { sink, url } = await start();
    const slow = await join(url, false);
    const quick = await join(url, true);
    for (let i = 0; i < 60; i++) {
      await sink.write(frame(summary("belt", i), PICTURES));
      await until(`picture ${i}`, () => quick.pictures.at(-1)?.sequence === i);
      await pause(2);
    }
    expect(quick.pictures.map((p) => p.sequence)).toEqual(Array.from({ length: 60 }, (_, i) => i));
    expect(slow.pictures.map((p) => p.sequence)).toEqual([0]);
    await until("every figure", () => slow.rows(KEY).length === 60 && quick.rows(KEY).length === 60);
    slow.acknowledge(slow.pictures[0]!);
    await until("the newest picture, not the second", () => slow.pictures.at(-1)?.sequence === 59);
    expect(slow.pictures).toHaveLength(2);
  });

  it("of one source do not wait for another's", async () => {
    const { sink, url } = await start();
    const client = await join(url, false);
    await sink.write(frame(summary("belt", 0), PICTURES));
    await sink.write(frame(summary("cam-2", 0), PICTURES));
    await until("one of each", () => client.pictures.length === 2);
  });

  it("come at once to a browser that joins later, and to one that looks at a source again", async () => {
    const { sink, url } = await start();
    await sink.write(frame(summary("belt", 3), PICTURES));
    const client = await join(url, true);
    await until("the picture", () => client.pictures.length === 1);
    client.watch([]);
    await until("nobody to look", () => !sink.wantsOriginal!("belt", UPCOMING));
    await sink.write(frame(summary("belt", 4), PICTURES));
    client.watch([KEY]);
    await until("the newer picture", () => client.pictures.at(-1)?.sequence === 4);
  });

  it("are wanted only while somebody looks at that source", async () => {
    const { sink, url } = await start();
    expect(sink.wantsOriginal!("belt", UPCOMING)).toBe(false);
    const client = await join(url, true);
    expect(sink.wantsOriginal!("belt", UPCOMING)).toBe(true);
    client.watch([KEY]);
    await until("the other source to be let go", () => !sink.wantsOriginal!("cam-2", UPCOMING));
    expect(sink.wantsOriginal!("belt", UPCOMING)).toBe(true);
    client.socket.close();
    await until("the source to be let go", () => !sink.wantsOriginal!("belt", UPCOMING));
  });

  it("that were made while nobody looked, without their original, wait for a better one", async () => {
    const { sink, url } = await start();
    await sink.write(frame(summary("belt", 0), { ...PICTURES, original: undefined }));
    const client = await join(url, true);
    await sink.write(frame(summary("belt", 1), PICTURES));
    await until("a picture", () => client.pictures.length > 0);
    expect(client.pictures[0]!.sequence).toBe(1);
    await sink.write(frame(summary("belt", 2), { ...PICTURES, original: undefined }));
    await until("the one without, as none better came", () => client.pictures.length > 1);
    expect(client.pictures[1]!.heatmap.toString()).toBe("a png");
  });

  it("that were only classified do not push out an explained one", async () => {
    const { sink, url } = await start();
    await sink.write(frame(summary("belt", 0), PICTURES));
    await sink.write(frame(summary("belt", 1, { relevance: null }), { original: PICTURES.original }));
    const client = await join(url, true);
    await until("a picture", () => client.pictures.length > 0);
    expect(client.pictures[0]!.sequence).toBe(0);
  });

  it("push it out where they show another class, or come long after it", async () => {
    const { sink, url } = await start();
    const explained = summary("belt", 0);
    const { classification } = explained;
    const target = { ...classification.target, label: "another" };
    const another = { relevance: null, classification: { ...classification, target } };
    const late = new Date(Date.parse(explained.capturedAt) + 500).toISOString();
    for (const [source, more] of Object.entries({ belt: another, line: { relevance: null, capturedAt: late } })) {
      await sink.write(frame(summary(source, 0, { capturedAt: explained.capturedAt }), PICTURES));
      await sink.write(frame(summary(source, 1, more), { original: PICTURES.original }));
    }
    const client = await join(url, true);
    await until("both pictures", () => client.pictures.length > 1);
    expect(client.pictures.map(({ sequence }) => sequence)).toEqual([1, 1]);
  });

  it("bring the published overlay where there is no original", async () => {
    const { sink, url } = await start();
    const client = await join(url, true);
    const overlay = Buffer.from("an overlay");
    await sink.write(frame(summary("belt", 0), { heatmap: PICTURES.heatmap, overlay }));
    await until("the picture", () => client.pictures.length > 0);
    expect(client.pictures[0]).toMatchObject({ placement: null, overlay });
  });
});

describe("figures", () => {
  it("of the last minute and the last status greet a browser that comes later, and none comes twice", async () => {
    const { sink, url } = await start();
    await sink.write(status("belt", { state: "stalled", reason: "no frame for 10 s" }));
    for (let i = 0; i < 3; i++) {
      await sink.write(frame(summary("belt", i), {}));
      await pause(220);
    }
    await sink.write(frame(summary("belt", 3), {}));
    const client = await join(url, true);
    await until("four figures", () => client.rows(KEY).length >= 4);
    await pause(400);
    expect(client.rows(KEY)).toHaveLength(4);
    expect(client.rows(KEY)[0]![1]).toBe("water bottle");
    expect(client.news(KEY)[0]!.status).toMatchObject({ state: "stalled", reason: "no frame for 10 s" });
    expect(client.news(KEY)[0]!.summary!.classification.top).toHaveLength(5);
  });

  it("of explained frames are kept for later browsers before those of classified ones", async () => {
    const { sink, url } = await start();
    await sink.write(frame(summary("belt", 0, { relevance: null }), {}));
    await sink.write(frame(summary("belt", 1), {}));
    await sink.write(frame(summary("belt", 2, { relevance: null }), {}));
    const rows = (await join(url, true)).rows(KEY);
    expect(rows).toHaveLength(1);
    expect(rows[0]![3]).toBeCloseTo(0.52, 1);
  });

  it("go on after a message that cannot be read, which is reported", async () => {
    const { sink, url, recorded } = await start();
    const client = await join(url, true);
    const broken = frame(summary("belt", 0), {});
    delete (broken.summary as Partial<Summary>).classification;
    await sink.write(broken);
    await sink.write(frame(summary("belt", 1), {}));
    await until("the next figure", () => client.rows(KEY).length === 1);
    expect(recorded.errors).toHaveLength(1);
    expect(recorded.errors[0]).toMatch(/^the live page cannot show a message of belt: /);
    expect(sink.status()).toMatchObject({ connected: true, errors: 1, dropped: 0, buffered: 0 });
  });
});

describe("messages", () => {
  it("come apart as they were put together, whatever their content", () => {
    const bytes = fc.option(fc.uint8Array({ minLength: 1, maxLength: 400 }), { nil: undefined });
    fc.assert(
      fc.property(fc.string(), fc.nat(), bytes, bytes, bytes, (key, id, original, heatmap, overlay) => {
        const header = { key, id, sequence: id, frame: { width: 640, height: 360 }, placement: null };
        const decoded = decodePicture(encodePicture(header, { original, heatmap, overlay }));
        expect(decoded).toMatchObject(header);
        for (const [got, put] of [
          [decoded.original, original],
          [decoded.heatmap, heatmap],
          [decoded.overlay, overlay],
        ]) {
          expect([...got!]).toEqual([...(put ?? [])]);
        }
      }),
    );
  });

  it("of a browser are understood or refused, never an error", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const message = parseClientMessage(text);
        expect(message === null || message.type === "ack" || message.type === "watch").toBe(true);
      }),
    );
    expect(parseClientMessage('{"type":"watch","keys":null}')).toEqual({ type: "watch", keys: null });
    expect(parseClientMessage('{"type":"watch","keys":[1]}')).toBeNull();
  });
});

describe("a page with a token", () => {
  const TOKEN = "Sch1uessel&+%";
  const shown = encodeURIComponent(TOKEN);

  it("is refused without it, files and live stream alike, with a sentence and strict headers", async () => {
    const { url } = await start(0, { token: TOKEN });
    for (const path of ["/", "/index.html", "/nothing", "/?token=", "/?token=wrong", `/?tokens=${shown}`]) {
      const page = await ask(url, path);
      expect([page.code, page.body]).toEqual([
        401,
        expect.stringMatching(/^this page is for those who have its token/),
      ]);
      expect(page.headers["content-security-policy"]).toMatch(/frame-ancestors 'none'/);
    }
    for (const headers of [{ cookie: "video-explainer-view=x" }, { authorization: "Bearer wrong" }]) {
      expect((await ask(url, "/", "GET", headers)).code).toBe(401);
    }
    expect((await join(url, true)).refused).toMatch(/^401 this page is for those who have its token/);
  });

  it("opens with it, and leaves a cookie that does not tell it and that the page and the stream are shown for", async () => {
    const { sink, url, recorded } = await start(0, { token: TOKEN });
    const first = await ask(url, `/?token=${shown}`);
    expect([first.code, first.headers.location]).toEqual([303, "/"]);
    const [cookie] = first.headers["set-cookie"] as string[];
    expect(cookie).toMatch(/; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(decodeURIComponent(cookie!)).not.toContain(TOKEN);
    const headers = { cookie: `other=1; ${cookie!.split(";")[0]}` };
    expect((await ask(url, "/", "GET", headers)).code).toBe(200);
    expect((await ask(url, "/", "GET", { authorization: `Bearer ${TOKEN}` })).code).toBe(200);
    const client = await join(url, true, headers);
    await sink.write(frame(summary("belt", 0), PICTURES));
    await until("a picture", () => client.pictures.length > 0);
    expect(recorded.log.join("\n")).not.toContain(TOKEN);
  });

  it("opens with a token that holds signs of an address, written as it is", async () => {
    const { url } = await start(0, { token: "ab?c+d/e=f" });
    expect((await ask(url, "/?token=ab?c+d/e=f")).code).toBe(303);
    expect((await ask(url, "/?token=%")).code).toBe(401);
  });

  it("never sends the browser to another host, nor anywhere from a path that is no page", async () => {
    const { url } = await start(0, { token: TOKEN });
    for (const path of ["//evil.example/", "/\\evil.example/", "///x", "/nothing", "/live"]) {
      const { code, headers } = await ask(url, `${path}?token=${shown}`);
      expect([code, headers.location, headers["set-cookie"]], path).toEqual([404, undefined, undefined]);
    }
  });

  const cookieOf = async (url: string, token: string, headers = {}) => {
    const { headers: got } = await ask(url, `/?token=${encodeURIComponent(token)}`, "GET", headers);
    return (got["set-cookie"] as string[])[0]!;
  };

  it("leaves the cookie of another such page on this host alone", async () => {
    const pages = [TOKEN, "another-token"];
    const urls = await Promise.all(pages.map(async (token) => (await start(0, { token })).url));
    const jar = new Map<string, string>();
    for (const [i, url] of urls.entries()) {
      const [name, value] = (await cookieOf(url, pages[i]!)).split(";")[0]!.split("=");
      jar.set(name!, value!);
    }
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    for (const url of urls) expect((await ask(url, "/", "GET", { cookie })).code).toBe(200);
  });

  it("keeps the cookie to HTTPS where the browser speaks it", async () => {
    const { url } = await start(0, { token: TOKEN });
    expect(await cookieOf(url, TOKEN, { "x-forwarded-proto": "https" })).toMatch(/; Secure$/);
    expect(await cookieOf(url, TOKEN, { "x-forwarded-proto": "https, http" })).toMatch(/; Secure$/);
    expect(await cookieOf(url, TOKEN, { "x-forwarded-proto": "http" })).not.toContain("Secure");
    expect(await cookieOf(url, TOKEN)).not.toContain("Secure");
  });

  it("gives a cookie that takes long to make, and is the same after a restart", async () => {
    const first = await start(0, { token: TOKEN });
    const cookie = (await cookieOf(first.url, TOKEN)).split(";")[0]!;
    const quick = ["sha256", "sha512", "sha1", "md5"].flatMap((hash) => [
      createHash(hash).update(TOKEN).digest("base64url"),
      createHmac(hash, TOKEN).update("video-explainer-view").digest("base64url"),
    ]);
    for (const hash of quick) expect(cookie).not.toContain(hash);
    const second = await start(0, { token: TOKEN });
    expect((await ask(second.url, "/", "GET", { cookie })).code).toBe(200);
  });

  it("is advised where the page is open to the network without", async () => {
    const open = await start(0, { host: "0.0.0.0" });
    expect(open.recorded.log.join("\n")).toContain("for everybody who reaches it; set token");
    const closed = await start(0, { host: "0.0.0.0", token: TOKEN });
    expect(closed.recorded.log.join("\n")).not.toContain("for everybody");
  });
});

it("a source that was removed is gone from the page at once, and from what a newcomer is told", async () => {
  const { sink, url } = await start();
  const client = await join(url, true);
  await sink.write(frame(summary("belt", 0), PICTURES));
  await until("the source to be told", () => client.news(KEY).length > 0);
  sink.forget!("belt");
  await until("it to be gone", () => client.messages.some((m) => m.type === "gone" && m.keys.includes(KEY)));
  const later = await join(url, true);
  expect(later.messages[0]).toMatchObject({ type: "hello", sources: [] });
});

describe("a source that was removed", () => {
  const old = { epoch: Date.now() - 60_000 };

  it("does not come back by messages that come late", async () => {
    const { sink, url } = await start();
    const client = await join(url, true);
    await sink.write(frame(summary("belt", 0), { ...PICTURES, ...old }));
    await until("the source to be told", () => client.news(KEY).length > 0);
    const last = status("belt", { state: "ended" });
    sink.forget!("belt");
    await sink.write(frame(summary("belt", 1), { ...PICTURES, ...old }));
    await sink.write(last);
    await pause(300);
    expect(client.messages.at(-1)).toMatchObject({ type: "gone", keys: [KEY] });
    expect((await join(url, true)).messages[0]).toMatchObject({ type: "hello", sources: [] });
  });

  it("does not come by them when nothing of it had come before", async () => {
    const { sink, url } = await start();
    sink.forget!("belt");
    await sink.write(frame(summary("belt", 1), { ...PICTURES, ...old }));
    expect((await join(url, true)).messages[0]).toMatchObject({ type: "hello", sources: [] });
  });

  it("is there at once when it is added anew", async () => {
    const { sink, url } = await start();
    await sink.write(frame(summary("belt", 0), { ...PICTURES, ...old }));
    sink.forget!("belt");
    const client = await join(url, true);
    await sink.write(frame(summary("belt", 0), { ...PICTURES, epoch: Date.now() }));
    await until("its picture", () => client.pictures.length === 1);
    sink.forget!("belt");
    await pause(5);
    await sink.write(status("belt", { state: "connecting" }));
    expect((await join(url, true)).messages[0]).toMatchObject({ type: "hello", sources: [{ key: KEY }] });
  });
});
