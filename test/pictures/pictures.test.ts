import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, expect, test } from "vitest";
import { InputError } from "../../src/errors.js";
import { frameLayout } from "../../src/frame.js";
import { Budget } from "../../src/pictures/budget.js";
import { FILE_LIMITS, PictureReader, pictureTarget, REQUEST_LIMITS } from "../../src/pictures/reader.js";
import { checkSource } from "../../src/pipeline/index.js";
import { config, open, pixel, pull, takeAll, temporaryFolder, until, VIEW } from "../pipeline/helpers.js";

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const plain = (background: string, width = 60, height = 40) =>
  sharp({ create: { width, height, channels: 3, background } });

beforeAll(async () => {
  await plain("#f00").jpeg({ quality: 100 }).toFile(at("red.jpg"));
  await plain("#00f").png().toFile(at("blue.png"));
  await plain("#0f0").webp({ lossless: true }).toFile(at("green.webp"));
});

/** A folder with these files: copies of the pictures above, or other bytes. */
function folderOf(name: string, files: Record<string, string | Uint8Array>): string {
  mkdirSync(at(name));
  for (const [file, of] of Object.entries(files)) {
    if (typeof of === "string") copyFileSync(at(of), at(`${name}/${file}`));
    else writeFileSync(at(`${name}/${file}`), of);
  }
  return at(name);
}

const strongest = (rgb: readonly number[]): string => ["red", "green", "blue"][rgb.indexOf(Math.max(...rgb))]!;
const half = (path: string): Buffer => readFileSync(path).subarray(0, readFileSync(path).length >> 1);

test("pictures of several kinds come as one stream, and each that cannot be read costs itself and is named once", async () => {
  const url = folderOf("several", {
    "1.jpg": "red.jpg",
    "2.jpg": new Uint8Array(),
    "3.png": "blue.png",
    "4.png": Buffer.from("this is text\n".repeat(9)),
    "5.jpg": half(at("red.jpg")),
    "6.webp": "green.webp",
  });
  execFileSync("mkfifo", [join(url, "7.png")]);
  symlinkSync("/dev/zero", join(url, "8.png"));
  symlinkSync("nowhere.png", join(url, "9.png"));
  const notes: string[] = [];
  const { source, ledger } = open({ url, fps: 10 }, { onNote: (_name, note) => notes.push(note) });
  const seen: [string, number, number][] = [];
  await pull(source, (frame) => {
    seen.push([strongest(pixel(frame, 30, 20)), frame.sequence, frame.pts]);
    frame.release();
    ledger.explained();
  });
  expect(seen).toEqual([
    ["red", 0, 0],
    ["blue", 2, 0.2],
    ["green", 5, 0.5],
  ]);
  expect(ledger.snapshot()).toMatchObject({ captured: 6, explained: 3, dropped: { "decode-error": 3 }, inFlight: 0 });
  expect(notes.map((note) => note.replace(`${url}/`, ""))).toEqual([
    "2.jpg cannot be read as a picture: it is empty; it is left out",
    "4.png cannot be read as a picture: it holds none of a known kind; it is left out",
    "5.jpg cannot be read as a picture: it is damaged or cut off; it is left out",
  ]);
  const { state, reason } = source.status();
  expect(state).toBe("ended");
  expect(reason).toMatch(/^it ended after 3 frames, and 3 pictures were left out: .*5\.jpg cannot be read/);
});

test("the size is that of the first picture that is one, and where none is, that is said with the first's name", async () => {
  await plain("#f00", 30, 20).png().toFile(at("small.png"));
  const url = folderOf("late", { "1.png": new Uint8Array(), "2.png": "small.png", "3.png": "blue.png" });
  const { source } = open({ url });
  await pull(source, (frame) => {
    expect([frame.layout.width, frame.layout.height]).toEqual([30, 20]);
    frame.release();
  });
  const bad = folderOf("bad", { "1.png": new Uint8Array(), "2.png": Buffer.from("text") });
  const error: unknown = await checkSource(config({ url: bad }), "/").catch((e) => e);
  expect(error).toBeInstanceOf(InputError);
  expect((error as Error).message).toBe(
    `source belt: ${bad}/1.png cannot be read as a picture: it is empty; nor can the 1 after it`,
  );
});

test("a picture that is still being uploaded is shown in the round after it is whole, one that is removed is named", async () => {
  const url = folderOf("uploads", { "1.jpg": "red.jpg", "2.png": new Uint8Array() });
  const notes: string[] = [];
  const { source, ledger } = open({ url, loop: true, fps: 50 }, { onNote: (_name, note) => notes.push(note) });
  const seen: string[] = [];
  const pulled = pull(source, (frame) => {
    seen.push(strongest(pixel(frame, 30, 20)));
    frame.release();
    ledger.explained();
  });
  await until(() => seen.length > 5, "the first comes");
  expect(seen).not.toContain("blue");
  copyFileSync(at("blue.png"), join(url, "2.png"));
  await until(() => seen.includes("blue"), "what was uploaded comes");
  truncateSync(join(url, "1.jpg"), 100);
  await until(
    () => notes.some((note) => /1\.jpg cannot be read.*damaged or cut off/.test(note)),
    "the other is cut off",
  );
  rmSync(join(url, "1.jpg"));
  await until(() => seen.slice(-9).every((colour) => colour === "blue"), "it is gone");
  await source.stop();
  await pulled;
  source.discard("shutdown");
  expect(source.status().restarts).toBe(0);
  expect(notes.filter((note) => note.includes("2.png"))).toHaveLength(1);
  const { captured, explained, dropped, inFlight } = ledger.snapshot();
  expect(inFlight).toBe(0);
  expect(captured).toBe(explained + (dropped["decode-error"] ?? 0) + (dropped.shutdown ?? 0));
});

test("a looping folder of which nothing can be read any more is failed, and tried again ever more seldom", async () => {
  const url = folderOf("spoilt", { "1.jpg": "red.jpg" });
  const { source, ledger } = open({ url, loop: true, pace: "fast" }, { timing: { delay: () => 100_000, loopMs: 50 } });
  const pulled = pull(source, (frame) => {
    frame.release();
    ledger.explained();
  });
  await until(() => ledger.snapshot().explained > 3, "it comes");
  truncateSync(join(url, "1.jpg"), 200);
  await until(() => source.status().state === "failed", "it fails");
  expect(source.status().reason).toMatch(/^no frame could be decoded: .*1\.jpg cannot be read as a picture/);
  expect(ledger.snapshot().dropped["decode-error"]).toBeLessThan(9);
  await source.stop();
  await pulled;
});

test("pictures keep to their pace, as fast as they can where that is asked for", async () => {
  const url = folderOf("paced", { "1.jpg": "red.jpg", "2.png": "blue.png", "3.webp": "green.webp" });
  const began = performance.now();
  expect(await takeAll(open({ url, fps: 4, pace: "realtime" }))).toHaveLength(3);
  expect(performance.now() - began).toBeGreaterThanOrEqual(500);
  const times = await takeAll(open({ url, fps: 0.01 }));
  expect(times.map(({ pts }) => pts)).toEqual([0, 100, 200]);
});

test("a source that is held waits with its pictures, goes on when frames come back, and stops in the middle", async () => {
  const url = folderOf("held", Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`${i}.jpg`, "red.jpg"])));
  const { source, ledger } = open({ url }, { slabs: 3 });
  await until(() => source.queued === 3 && source.isFull, "it is full");
  const taken = [source.take()!, source.take()!, source.take()!];
  expect(source.take()).toBeUndefined();
  for (const frame of taken) {
    frame.release();
    ledger.explained();
  }
  await until(() => source.queued === 3 && source.isFull, "it is full again");
  await source.stop();
  source.discard("shutdown");
  expect(ledger.snapshot()).toMatchObject({ captured: 6, explained: 3, dropped: { shutdown: 3 }, inFlight: 0 });
  expect(source.isFinished).toBe(true);
});

test("a source of the latest pictures lets older ones go while nobody takes them", async () => {
  const url = folderOf("latest", Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`${i}.jpg`, "red.jpg"])));
  const { source, ledger } = open({ url, policy: "latest", pace: "fast" }, { slabs: 3 });
  await until(() => source.status().state === "ended", "it ends");
  expect(source.queued).toBe(2);
  source.discard("shutdown");
  const { captured, dropped, inFlight } = ledger.snapshot();
  expect({ captured, inFlight }).toEqual({ captured: 9, inFlight: 0 });
  expect((dropped["newer-frame"] ?? 0) + (dropped["queue-full"] ?? 0)).toBe(7);
});

test("a budget is given in the order of asking, and never beyond what there is", async () => {
  const budget = new Budget(100);
  const order: string[] = [];
  const take = async (name: string, bytes: number) => {
    const grant = await budget.take(bytes);
    order.push(name);
    return grant;
  };
  const first = await take("60", 60);
  const all = take("more than all", 500);
  const small = take("10", 10);
  await new Promise((resolve) => setImmediate(resolve));
  expect(order).toEqual(["60"]);
  first.keep(30);
  await new Promise((resolve) => setImmediate(resolve));
  expect(order).toEqual(["60"]);
  first.release();
  first.release();
  (await all).release();
  (await small).release();
  expect(order).toEqual(["60", "more than all", "10"]);
});

const deepAvif = async (side: number): Promise<Buffer> =>
  plain("#446", side, side).avif({ effort: 0, bitdepth: 10 }).toBuffer();

test("memory is refused by kind before it is taken: as AVIF, a fraction of the pixels that are taken as JPEG", async () => {
  const reader = new PictureReader(1, new Budget(1e6));
  const limits = { ...REQUEST_LIMITS, bytes: 5e6 };
  const place = (found: { width: number; height: number }) => {
    const layout = frameLayout(found.width, found.height, undefined, { ...VIEW, fit: "stretch" });
    const memory = () => new SharedArrayBuffer(layout.stride * (found.height + VIEW.inputHeight));
    return { ...pictureTarget(layout, { ...layout, fit: "stretch" }), memory };
  };
  await expect(reader.read(await deepAvif(500), "it", limits, place)).rejects.toThrow(
    /^it has 500x500 pixels, which as AVIF take 11 MiB to decode, more than the 5 that are given; give a smaller picture, or a JPEG of it$/,
  );
  const jpeg = await plain("#446", 500, 500).jpeg().toBuffer();
  // More than the budget holds: alone, one after the other.
  const read = () => reader.read(jpeg, "it", limits, place).then(({ grant }) => grant.release());
  await Promise.all([read(), read(), read()]);
  await expect(reader.look(at("nowhere.png"), "nowhere.png", FILE_LIMITS)).rejects.toThrow(
    "nowhere.png cannot be read as a picture: it is not there any more",
  );
});

test.each([
  [1, 390_000, /has 1x390000 pixels, (?:which as AVIF take|and no side)/],
  [2, 130_000_000, /is damaged or cut off/],
  [40_000, 2, /which as AVIF take 130 MiB/],
])(
  "an AVIF that says it has %ix%i pixels is refused by what its decoder would let it have",
  async (width, height, words) => {
    const bytes = await deepAvif(64);
    const at = bytes.indexOf("ispe");
    bytes.writeUInt32BE(width, at + 8);
    bytes.writeUInt32BE(height, at + 12);
    const limits = { ...REQUEST_LIMITS, bytes: 50 * 2 ** 20 };
    await expect(new PictureReader(1).look(bytes, "it", limits)).rejects.toThrow(words);
  },
);
