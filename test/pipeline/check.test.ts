import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { SourceConfig } from "../../src/config/schema.js";
import { InputError, VideoExplainerError } from "../../src/errors.js";
import { ffmpegVersion } from "../../src/ffmpeg/version.js";
import { checkSource } from "../../src/pipeline/index.js";
import { config, ffmpeg, MEDIA, open, pull, takeAll, temporaryFolder, until } from "./helpers.js";
import { listening, portOf } from "./senders.js";

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
const socket = createServer();
beforeAll(async () => {
  execFileSync("mkfifo", [at("fifo.mp4")]);
  symlinkSync("loop.mp4", at("loop.mp4"));
  symlinkSync("loop", at("loop"));
  await new Promise<void>((resolve) => socket.listen(at("socket.mp4"), resolve));
});
afterAll(() => void socket.close());

async function fault(overrides: Partial<SourceConfig> & { url: string }): Promise<string> {
  const error: unknown = await checkSource(config(overrides), folder).then(
    () => undefined,
    (e) => e,
  );
  expect(error).toBeInstanceOf(InputError);
  const { message, exitCode } = error as InputError;
  expect(exitCode).toBe(2);
  expect(message).not.toContain("\n");
  expect(message).toContain("belt");
  return message;
}

test("a good film, a folder of pictures, a camera that is away and the test picture pass", async () => {
  await checkSource(
    config({ url: join(MEDIA, "bottles.mp4"), region: { x: 370, y: 80, width: 270, height: 270 } }),
    folder,
  );
  await checkSource(config({ url: "bolts.gif" }), MEDIA);
  await checkSource(config({ url: "testsrc" }), folder);
  await checkSource(config({ url: "rtsp://127.0.0.1:9/none" }), folder);
  await checkSource(config({ url: "/dev/video63" }), folder);
});

test("a missing file is named", async () => {
  expect(await fault({ url: "nowhere.mp4" })).toBe(`source belt: there is no file ${at("nowhere.mp4")}; check its url`);
});

test.each([["notes.txt"], ["notes.mp4"], ["notes.yaml"], ["notes"]])("text called %s is no video", async (name) => {
  writeFileSync(at(name), "station: line-3\nThis is text, and nothing but text.\n".repeat(50));
  expect(await fault({ url: name })).toMatch(/cannot be read as video: /);
});

test("an empty file, and a file of noise, are refused", async () => {
  writeFileSync(at("empty.mp4"), "");
  expect(await fault({ url: "empty.mp4" })).toMatch(/is empty$/);
  writeFileSync(at("noise.mp4"), Buffer.from(Array.from({ length: 4000 }, (_, i) => (i * 7919) % 251)));
  expect(await fault({ url: "noise.mp4" })).toMatch(/cannot be read as video|holds no video/);
});

test.for([
  ["whole", []],
  ["with sound", ["-f", "lavfi", "-i", "sine"]],
] as const)("a film that is encrypted is said to be so, and is read with its key (%s)", async ([name, more]) => {
  const key = "76a6c65c5ea762046bd749a2e632ccbb";
  const path = at(`encrypted-${name}.mp4`);
  ffmpeg(
    ...["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10", ...more, "-t", "1", "-pix_fmt", "yuv420p"],
    ...["-encryption_scheme", "cenc-aes-ctr", "-encryption_key", key, "-encryption_kid", "0".repeat(32), path],
  );
  await expect(checkSource(config({ url: path }), folder)).rejects.toThrow(
    /encrypted-.*\.mp4 is encrypted, so its pictures cannot be decoded; give it without protection, or its key with/,
  );
  const { source } = open({ url: path, inputOptions: [`-decryption_key ${key}`] });
  let frames = 0;
  await pull(source, (frame) => {
    frames++;
    frame.release();
  });
  expect(frames).toBe(10);
});

test.for([
  [
    "tcp",
    /it closed the connection at once, or what it sends is no video \(Invalid data .*\); check its port and path/,
  ],
  [
    "rtsp",
    /it closed the connection at once, or what it sends is no video \(Invalid data .*\); check its port and path/,
  ],
  ["http", /it closed the connection without an answer \(End of file\); check its port and path/],
] as const)(
  "of a camera that closes each connection at once it is said what may be the matter (%s)",
  async ([scheme, words], t) => {
    const server = await listening(createServer((socket) => socket.end()));
    t.onTestFinished(() => server.end());
    const { source } = open({ url: `${scheme}://127.0.0.1:${portOf(server)}/x` }, { timing: { delay: () => 60_000 } });
    t.onTestFinished(() => source.stop());
    await until(() => source.status().state === "failed", "it fails");
    expect(source.status().reason).toMatch(words);
  },
);

test("sound alone, even with a cover picture, is no video", async () => {
  ffmpeg("-f", "lavfi", "-i", "sine=duration=0.2", at("sound.wav"));
  expect(await fault({ url: "sound.wav" })).toBe(
    `source belt: sound.wav holds no video (only audio); give a film, a stream or pictures`,
  );
  ffmpeg("-f", "lavfi", "-i", "color=red:32x32:d=1", "-frames:v", "1", at("cover.png"));
  const cover = ["-i", at("cover.png"), "-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic"];
  ffmpeg("-f", "lavfi", "-i", "sine=duration=0.2", ...cover, at("cover.flac"));
  expect(await fault({ url: "cover.flac" })).toMatch(/holds no video/);
});

test("a film without its index is refused with ffmpeg's own words", async () => {
  const film = readFileSync(join(MEDIA, "bottles.mp4"));
  ffmpeg("-i", join(MEDIA, "bottles.mp4"), "-c", "copy", "-t", "2", at("index-last.mp4"));
  const late = readFileSync(at("index-last.mp4"));
  writeFileSync(at("cut.mp4"), late.subarray(0, late.length / 2));
  expect(film.length).toBeGreaterThan(late.length);
  expect(await fault({ url: "cut.mp4" })).toMatch(/cannot be read as video: moov atom not found/);
});

test("a region outside the frame is refused with the numbers", async () => {
  const region = { x: 500, y: 80, width: 270, height: 270 };
  expect(await fault({ url: join(MEDIA, "bottles.mp4"), region })).toMatch(
    /x 500, y 80, 270x270 reaches outside the 640x360 frame/,
  );
  expect(await fault({ url: "testsrc", width: 320, height: 240, region })).toMatch(/320x240/);
});

test("an interest of which the model sees nothing is refused with the numbers", async () => {
  const region = { x: 370, y: 80, width: 200, height: 200 };
  const film = { url: join(MEDIA, "bottles.mp4"), region };
  const interest = { x: 10, y: 80, width: 360, height: 100 };
  expect(await fault({ ...film, interest })).toMatch(
    /the interest x 10, y 80, 360x100 lies outside of what is classified \(x 370, y 80, 200x200\)/,
  );
  await checkSource(config({ ...film, interest: { ...interest, width: 361 } }), folder);
});

test("an address of no known kind names the known ones, and no password", async () => {
  const message = await fault({ url: "gopher://me:s3cret@host/stream" });
  expect(message).toMatch(/known are: .*rtsp.*http.*folder/);
  expect(message).not.toContain("s3cret");
});

test("an empty folder and a glob without match are refused, a folder of several kinds of picture is not", async () => {
  mkdirSync(at("pictures"));
  expect(await fault({ url: "pictures" })).toMatch(/holds no pictures/);
  expect(await fault({ url: "pictures/*.jpg" })).toMatch(/holds no pictures/);
  ffmpeg("-f", "lavfi", "-i", "color=red:32x32:d=1", "-frames:v", "1", at("pictures/a.png"));
  ffmpeg("-f", "lavfi", "-i", "color=red:32x32:d=1", "-frames:v", "1", at("pictures/b.jpg"));
  await checkSource(config({ url: "pictures" }), folder);
  await checkSource(config({ url: "pictures/*.png" }), folder);
});

test("of a film that is cut off what decodes comes, and the rest is reported", async () => {
  ffmpeg("-i", join(MEDIA, "bottles.mp4"), "-c", "copy", "-t", "10", "-movflags", "+faststart", at("whole.mp4"));
  const whole = readFileSync(at("whole.mp4"));
  writeFileSync(at("torn.mp4"), whole.subarray(0, Math.round(whole.length * 0.6)));
  await checkSource(config({ url: "torn.mp4" }), folder);
  const film = open({ url: at("torn.mp4") });
  const taken = await takeAll(film);
  expect(taken.length).toBeGreaterThan(100);
  expect(taken.length).toBeLessThan(290);
  expect(taken.map((t) => t.sequence)).toEqual(taken.map((_, i) => i));
  const { state, reason, ffmpeg: words } = film.source.status();
  expect(state).toBe("ended");
  expect(reason).toMatch(new RegExp(`^it ended after ${taken.length} frames, and ffmpeg reported: .+[^.]$`));
  expect(words.length).toBeGreaterThan(0);
  expect(film.ledger.snapshot()).toMatchObject({ captured: taken.length, explained: taken.length, inFlight: 0 });
});

test("a film that is gone when it is opened fails with the reason, and does not throw", async () => {
  const film = open({ url: at("gone.mp4") });
  expect(await takeAll(film)).toEqual([]);
  expect(film.source.status()).toMatchObject({ state: "failed", restarts: 0 });
  expect(film.source.status().reason).toMatch(/there is no file/);
});

test("without ffmpeg one sentence says how to install it", async () => {
  const error: unknown = await ffmpegVersion(at("no-such-ffmpeg")).catch((e) => e);
  expect(error).toBeInstanceOf(VideoExplainerError);
  expect((error as Error).message).toBe(
    "ffmpeg is not installed; on Debian or Ubuntu run `sudo apt-get install ffmpeg`, or set FFMPEG_PATH",
  );
});

test.each<[string, RegExp]>([
  ["pipe:0", /pipe:0 is no address that can be read/],
  ["concat:a.mp4|b.mp4", /is no address that can be read/],
  ["concat:http://me:geheim@h/a|http://h/b", /is no address that can be read/],
  ["data:image/png;base64,AAAA", /is no address that can be read/],
  ["fd:0", /is no address that can be read/],
  ["subfile,,start,0,end,9,,:a.mp4", /is no address that can be read/],
  ["crypto:a.mp4", /is no address that can be read/],
  ["/dev/zero", /is a device, pipe or socket, not a film/],
  ["file:///dev/zero", /is a device, pipe or socket/],
  ["/dev/v4l/../zero", /is a device, pipe or socket/],
  ["fifo.mp4", /is a device, pipe or socket/],
  ["socket.mp4", /is a device, pipe or socket/],
  ["loop.mp4", /cannot be read: it is a symbolic link that leads back to itself/],
  ["loop", /cannot be read: it is a symbolic link that leads back to itself/],
  ["file://elsewhere/a.mp4", /is no address of a file on this machine/],
  ["file:///a%2Fb.mp4", /is no address of a file on this machine/],
  [`${"x".repeat(4000)}.mp4`, /path is too long/],
  [`${"x".repeat(4000)}/*.jpg`, /holds no pictures/],
  ["[z-a]*.jpg", /holds no pictures/],
  ["/*/*/*/*/*/*.jpg", /looks into more than 1000 folders|holds no pictures/],
])("%s is refused in one sentence before anything reads it", async (url, words) => {
  const message = await fault({ url });
  expect(message).toMatch(words);
  expect(message.length).toBeLessThan(800);
  expect(message).not.toContain("geheim");
});

// Root may read everything.
test.skipIf(process.getuid?.() === 0)("folders that may not be read are said to be so", async () => {
  mkdirSync(at("closed/in"), { recursive: true });
  chmodSync(at("closed"), 0);
  try {
    for (const url of ["closed", "closed/*.jpg"]) {
      expect(await fault({ url })).toMatch(/may not be listed; change its mode or owner$/);
    }
    expect(await fault({ url: "closed/in" })).toMatch(/a folder on the way to it may not be entered/);
  } finally {
    chmodSync(at("closed"), 0o700);
  }
});

test("a film whose name looks like a protocol is a film", async () => {
  ffmpeg("-f", "lavfi", "-i", "color=red:32x32:d=1", "-f", "mp4", `file:${at("pipe:0.mp4")}`);
  await checkSource(config({ url: "pipe:0.mp4" }), folder);
});

test("a picture whose name has line breaks is shown, and named on one line when it is damaged", async () => {
  mkdirSync(at("lines"));
  ffmpeg("-f", "lavfi", "-i", "color=red:32x32:d=1", "-frames:v", "1", at("lines/a.png"));
  copyFileSync(at("lines/a.png"), at("lines/b\nfile 'file:x.png"));
  expect(await takeAll(open({ url: at("lines") }))).toHaveLength(2);
  writeFileSync(at("lines/c\nd.png"), "");
  const film = open({ url: at("lines") });
  expect(await takeAll(film)).toHaveLength(2);
  expect(film.source.status().reason).toMatch(
    /left out: \S+\/lines\/c d\.png cannot be read as a picture: it is empty$/,
  );
});

test("inputOptions are refused where ffmpeg has no part in it", async () => {
  mkdirSync(at("options"));
  ffmpeg("-f", "lavfi", "-i", "color=red:32x32:d=1", "-frames:v", "1", at("options/a.png"));
  expect(await fault({ url: "options", inputOptions: ["-framerate 5"] })).toMatch(/leave them out$/);
});
