import { createSocket } from "node:dgram";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, type TestContext, test } from "vitest";
import type { SourceConfig } from "../../src/config/schema.js";
import { StderrTail } from "../../src/ffmpeg/log-lines.js";
import { SOURCE_KINDS } from "../../src/pipeline/index.js";
import { reachOptions } from "../../src/pipeline/sources/reach.js";
import { freePort } from "../support/nats-server.js";
import { config, ffmpeg, open, pull, takeAll, temporaryFolder, until } from "./helpers.js";
import { ffmpegPiped, H264, httpServer, listening, portOf } from "./senders.js";

const folder = temporaryFolder();
const privateFilm = join(folder, "private.ts");
const quick = { delay: () => 60_000, connectMs: 8000, probeMs: 8000, tickMs: 50 };
type Test = Pick<TestContext, "onTestFinished">;

/** An HTTP server on this machine that nobody else is to reach, and what it was asked. */
async function bait(t: Test): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = await httpServer((request, response) => {
    asked.push(request.url!);
    response.end();
  });
  t.onTestFinished(() => server.end());
  return { url: `http://127.0.0.1:${portOf(server)}`, asked };
}

const hls = (segment: string, more = ""): string =>
  `#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:0\n${more}#EXTINF:3,\n${segment}\n#EXT-X-ENDLIST\n`;
const dash = (base: string, media: string): string =>
  `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT3S" profiles="urn:mpeg:dash:profile:isoff-live:2011"><Period><AdaptationSet contentType="video" mimeType="video/mp2t"><Representation id="0" bandwidth="1000" width="160" height="120"><BaseURL>${base}</BaseURL><SegmentList duration="3"><SegmentURL media="${media}"/></SegmentList></Representation></AdaptationSet></Period></MPD>`;

/** What a sender may answer with, given the address of a server on this machine. */
const ANSWERS: Record<string, (at: string) => string> = {
  "an HLS playlist of a file": () => hls(`file://${privateFilm}`),
  "an HLS playlist of a path": () => hls(privateFilm),
  "an HLS playlist of an address of this machine": (at) => hls(`${at}/a.ts`),
  "an HLS playlist with a key": (at) => hls(`${at}/a.ts`, `#EXT-X-KEY:METHOD=AES-128,URI="${at}/key"\n`),
  "an HLS playlist of playlists": (at) => `#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n${at}/b.m3u8\n`,
  "a DASH manifest of a file": () => dash(`file://${folder}/`, "private.ts"),
  "a DASH manifest of an address of this machine": (at) => dash(`${at}/`, "a.ts"),
  "a list of files": () => `ffconcat version 1.0\nfile 'private.ts'\nfile 'file:${privateFilm}'\n`,
  "a session description": () =>
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 5004 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
};
const FILM = ANSWERS["an HLS playlist of a file"]!;

beforeAll(() => ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=5", "-t", "3", ...H264, privateFilm));

/** What a source is said to have failed of. No frame may come of it. */
async function refusalOf(t: Test, overrides: Partial<SourceConfig> & { url: string }): Promise<string> {
  const opened = open(overrides, { timing: quick });
  let frames = 0;
  const pulled = pull(opened.source, (frame) => {
    frames++;
    frame.release();
  });
  t.onTestFinished(async () => {
    await opened.source.stop();
    await pulled;
  });
  await until(() => opened.source.status().state === "failed" || frames > 0, "it fails");
  expect(frames).toBe(0);
  return opened.source.status().reason!;
}

const said = (answer: string): Promise<Awaited<ReturnType<typeof listening>>> =>
  listening(createServer((socket) => socket.end(answer)));

const NOT_READ = /it turned out to be (?:hls|dash|concat|sdp), which is not read from such an address\.?$/;

describe("a sender cannot make ffmpeg open anything else by answering with", () => {
  test.for(Object.entries(ANSWERS))("%s", async ([, answer], t) => {
    const inside = await bait(t);
    const server = await said(answer(inside.url));
    t.onTestFinished(() => server.end());
    const url = `tcp://127.0.0.1:${portOf(server)}`;
    expect(await refusalOf(t, { url })).toMatch(NOT_READ);
    // Of a known size it is not looked at first.
    expect(await refusalOf(t, { url, width: 160, height: 120 })).toMatch(NOT_READ);
    expect(inside.asked).toEqual([]);
  });
});

describe("whatever the protocol is, a playlist of a file of this machine is not read from", () => {
  test("SRT", async (t) => {
    const port = await freePort();
    const sender = ffmpegPiped(
      ["-f", "data", "-i", "pipe:0", "-map", "0", "-c", "copy", "-f", "data"],
      `srt://127.0.0.1:${port}?mode=listener`,
    );
    const timer = setInterval(() => sender.write(FILM("").padEnd(1024, "\n")), 20);
    t.onTestFinished(() => {
      clearInterval(timer);
      sender.kill();
    });
    // It takes one connection, and it is not known when it is ready for that.
    const reasons: string[] = [];
    const opened = open({ url: `srt://127.0.0.1:${port}` }, { timing: { ...quick, delay: () => 200 } });
    opened.source.status$.subscribe((state) => reasons.push(state.reason ?? ""));
    t.onTestFinished(() => opened.source.stop());
    await until(() => reasons.some((reason) => NOT_READ.test(reason)), `it is refused; it said ${reasons.at(-1)}`);
    expect(opened.ledger.snapshot().captured).toBe(0);
  });

  test("UDP", async (t) => {
    const port = await freePort();
    const socket = createSocket("udp4");
    const timer = setInterval(() => socket.send(FILM("").padEnd(1316, "\n"), port, "127.0.0.1"), 20);
    t.onTestFinished(() => {
      clearInterval(timer);
      socket.close();
    });
    expect(await refusalOf(t, { url: `udp://127.0.0.1:${port}` })).toMatch(NOT_READ);
  });

  test("RTSP, in place of a session description", async (t) => {
    const server = await listening(
      createServer((socket) => {
        socket.on("data", (request) => {
          const sequence = /CSeq: (\d+)/i.exec(String(request))?.[1];
          const body = FILM("");
          const head = `RTSP/1.0 200 OK\r\nCSeq: ${sequence}\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY\r\n`;
          const type = "Content-Type: application/vnd.apple.mpegurl";
          if (!String(request).startsWith("DESCRIBE")) socket.write(`${head}\r\n`);
          else socket.write(`${head}${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        });
      }),
    );
    t.onTestFinished(() => server.end());
    expect(await refusalOf(t, { url: `rtsp://127.0.0.1:${portOf(server)}/x` })).toMatch(
      /cannot be reached: |holds no video/,
    );
  });

  test.for([
    ["file", `file://${privateFilm}`],
    ["concat", `concat:${privateFilm}`],
    ["subfile", `subfile,,start,0,end,0,,:${privateFilm}`],
    ["rtp", "rtp://127.0.0.1:5004/a.ts"],
    ["gopher", "gopher://127.0.0.1:7070/a.ts"],
  ])("HTTP, which leads to %s:", async ([protocol, segment], t) => {
    const server = await httpServer((_request, response) => response.end(hls(segment!)));
    t.onTestFinished(() => server.end());
    const reason = await refusalOf(t, { url: `http://127.0.0.1:${portOf(server)}/live.m3u8` });
    expect(reason).toMatch(
      /it leads to an address of the protocol \w+, which is not opened for such a source\.?$|Invalid data found/,
    );
    if (protocol === "file") expect(reason).toContain("the protocol file,");
  });

  test("HTTP, redirected to a file", async (t) => {
    const server = await httpServer((_request, response) =>
      response.writeHead(302, { location: `file://${privateFilm}` }).end(),
    );
    t.onTestFinished(() => server.end());
    expect(await refusalOf(t, { url: `http://127.0.0.1:${portOf(server)}/cam` })).toMatch(/cannot be reached: /);
  });
});

describe("a film on this machine", () => {
  test("that is a list of other files is read only where its name says so", async (t) => {
    const disguised = join(folder, "upload.mp4");
    writeFileSync(disguised, FILM(""));
    expect(await refusalOf(t, { url: disguised })).toMatch(NOT_READ);
    const list = join(folder, "list.m3u8");
    writeFileSync(list, FILM(""));
    expect(await takeAll(open({ url: list }))).toHaveLength(15);
  });

  test("leads to no other machine, whatever its name", async (t) => {
    const inside = await bait(t);
    const list = join(folder, "away.m3u8");
    writeFileSync(list, hls(`${inside.url}/a.ts`));
    expect(await refusalOf(t, { url: list })).toMatch(/it leads to an address of the protocol http,/);
    expect(inside.asked).toEqual([]);
  });
});

test("whoever writes the configuration may let more be opened by its input options", async (t) => {
  const server = await said(FILM(""));
  t.onTestFinished(() => server.end());
  const inputOptions = ["-protocol_whitelist tcp,file", "-format_whitelist hls,mpegts"];
  const opened = open({ url: `tcp://127.0.0.1:${portOf(server)}`, inputOptions }, { timing: quick });
  let frames = 0;
  const pulled = pull(opened.source, (frame) => {
    frames++;
    frame.release();
  });
  await until(() => frames > 0, "a frame comes");
  await opened.source.stop();
  await pulled;
  const { formats } = SOURCE_KINDS.find((kind) => kind.name === "network")!.reach(config({ url: "tcp://h:1" }));
  expect(formats).not.toContain("hls");
  expect(reachOptions({ protocols: ["tcp"], formats: ["mpegts"] }, ["-f", "hls"])).toEqual(
    "-protocol_whitelist tcp -format_whitelist mpegts,hls".split(" "),
  );
});

test("a list of what is allowed does not stand in the sentence about what is not", () => {
  const stderrTail = new StderrTail((text) => text);
  stderrTail.add("[hls @ 0x5579f4043280] [error] Format not on whitelist 'mpegts,mov'");
  stderrTail.add("[error] tcp://127.0.0.1:24150: Invalid argument");
  expect(stderrTail.summary()).toBe("it turned out to be hls, which is not read from such an address");
});
