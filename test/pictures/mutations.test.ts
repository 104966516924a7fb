import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, expect, test } from "vitest";
import { InputError } from "../../src/errors.js";
import { frameBytes, frameLayout } from "../../src/frame.js";
import { pictureKind } from "../../src/pictures/kinds.js";
import { PictureReader, pictureTarget } from "../../src/pictures/reader.js";
import { countFrom } from "../faults/resources.js";
import { temporaryFolder } from "../pipeline/helpers.js";
import { animatedGif, PICTURE_FILES } from "../support/picture-kinds.js";
import { seeded } from "../support/random.js";

// FUZZ_RUNS=20000 FUZZ_SEED=2 npx vitest run test/pictures/mutations.test.ts
const RUNS = countFrom("FUZZ_RUNS", 200);
const random = seeded(countFrom("FUZZ_SEED", 1));
const below = (limit: number): number => Math.floor(random() * limit);
const LIMITS = { pixels: 20e6, side: 65_500, bytes: 200 * 2 ** 20 };

const folder = temporaryFolder();
let seeds: { bytes: Buffer; ending: string; name: string }[];
beforeAll(async () => {
  seeds = await Promise.all(
    PICTURE_FILES.map(async ({ bytes, ending, name }) => ({ bytes: await bytes(), ending, name })),
  );
  seeds.push({ bytes: await animatedGif(), ending: "gif", name: "animated GIF" });
});

/** Bytes changed, cut out, doubled or cut off; whole numbers made large, as sizes and offsets are. */
function mutated(from: Buffer): Buffer {
  const bytes = Buffer.from(from);
  // Where the sizes stand.
  const near = (): number => below(random() < 0.5 ? Math.min(bytes.length, 200) : bytes.length);
  for (let i = 0; i < 1 + below(6); i++) {
    const at = near();
    const what = random();
    if (what < 0.4) bytes[at]! ^= 1 << below(8);
    else if (what < 0.6) bytes[at] = [0, 1, 0x7f, 0x80, 0xff][below(5)]!;
    else if (what < 0.8 && at + 4 <= bytes.length)
      bytes.writeUInt32BE([0, 0xffffffff, 0x7fffffff, 70_000, 4999][below(5)]!, at);
    else if (at + 2 <= bytes.length) bytes.writeUInt16LE([0, 0xffff, 0x7fff, 30_000][below(4)]!, at);
  }
  const what = random();
  const cut = near();
  if (what < 0.15) return bytes.subarray(0, cut);
  if (what < 0.25) return Buffer.concat([bytes.subarray(0, cut), bytes.subarray(cut + below(20))]);
  if (what < 0.3) return Buffer.concat([bytes.subarray(0, cut), bytes.subarray(Math.max(0, cut - below(99)))]);
  return bytes;
}

const peakMiB = (): number => Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024;

test(
  `of ${RUNS} damaged pictures each is shown or refused in one sentence, in bounded memory`,
  async () => {
    const reader = new PictureReader();
    const before = peakMiB();
    const came = { shown: 0, refused: 0 };
    for (let i = 0; i < RUNS; i++) {
      const { bytes, ending, name } = seeds[i % seeds.length]!;
      const damaged = mutated(bytes);
      // Half as a file, half as bytes that were sent; TGA is known by its name alone.
      const path = join(folder, `picture.${ending}`);
      const asFile = i % 2 === 0 || ending === "tga";
      if (asFile) await writeFile(path, damaged);
      const about = `run ${i}, ${name}`;
      const place = (found: { width: number; height: number }) => {
        const layout = frameLayout(found.width, found.height, undefined, {
          fit: "letterbox",
          inputWidth: 32,
          inputHeight: 32,
        });
        return {
          ...pictureTarget(layout, { ...layout, fit: "letterbox" }),
          memory: () => new SharedArrayBuffer(frameBytes(layout)),
        };
      };
      try {
        const { grant } = await reader.read(asFile ? path : damaged, "it", LIMITS, place);
        grant.release();
        came.shown++;
      } catch (error) {
        came.refused++;
        expect(error, about).toBeInstanceOf(InputError);
        expect((error as Error).message, about).toMatch(
          /^it (?:cannot be read as a picture: |has \d+x\d+ pixels, )[^\n]{5,300}[^.]$/,
        );
      }
    }
    console.log(`${JSON.stringify(came)}; peak ${before.toFixed(0)} MiB before, ${peakMiB().toFixed(0)} after`);
    expect(came.refused).toBeGreaterThan(RUNS / 10);
    expect(came.shown).toBeGreaterThan(RUNS / 100);
    expect(peakMiB()).toBeLessThan(before + 600);
  },
  60_000 + RUNS * 100,
);

test("what is no picture is of no kind, though libvips or ffmpeg might open it", () => {
  for (const text of [
    "<svg/>",
    "<?xml?><svg/>",
    "%PDF-1.7",
    "#EXTM3U\n",
    "ffconcat version 1.0\n",
    "P7 x",
    "P8\n1 1\n",
    "BM",
  ]) {
    expect(pictureKind(Buffer.from(text), "x.tga"), text).toBeUndefined();
  }
  const mp4 = Buffer.concat([
    Buffer.from([0, 0, 0, 32]),
    Buffer.from("ftypisom\0\0\x02\0isomiso2avc1mp41"),
    Buffer.alloc(99),
  ]);
  expect(pictureKind(mp4)).toBeUndefined();
});

test("text that unfolds in a PNG is not unfolded", async () => {
  const made = await sharp({ create: { width: 9, height: 9, channels: 3, background: "#456" } })
    .png()
    .toBuffer();
  const { deflateSync, crc32 } = await import("node:zlib");
  const body = Buffer.concat([Buffer.from("zTXtComment\0\0"), deflateSync(Buffer.alloc(100e6, 65))]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(body.length - 4, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  const bomb = Buffer.concat([made.subarray(0, 33), chunk, made.subarray(33)]);
  const before = peakMiB();
  await new PictureReader(1).look(bomb, "it", LIMITS).catch((error: Error) => expect(error).toBeInstanceOf(InputError));
  expect(peakMiB()).toBeLessThan(before + 350);
});
