import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { InputError } from "../../src/errors.js";
import { frameBytes } from "../../src/frame.js";
import { PictureMemory } from "../../src/pictures/memory.js";
import { readPicture } from "../../src/pictures/picture.js";
import { readRequested } from "../../src/pictures/requested.js";
import { runCli } from "../cli/run-cli.js";
import { INSPECTION, launchWorker, writeConfig } from "../e2e/worker.js";
import { open, pull, temporaryFolder } from "../pipeline/helpers.js";
import { animatedGif, farthest, HEIGHT, PICTURE_FILES, WIDTH } from "../support/picture-kinds.js";

const folder = temporaryFolder();
const view = { inputWidth: 48, inputHeight: 40, fit: "letterbox" } as const;
const ofSlab = (memory: SharedArrayBuffer, bytes: number) => Buffer.from(new Uint8Array(memory, 0, bytes));

/** The frame that a source shows of one picture, and what it says when there is none. */
async function shownBy(path: string): Promise<Buffer | string> {
  const { source, ledger } = open({ url: path }, view);
  let shown: Buffer | undefined;
  await pull(source, ({ memory, layout, release }) => {
    shown = ofSlab(memory, frameBytes(layout));
    release();
    ledger.explained();
  });
  return shown ?? source.status().reason!;
}

async function commandSees(from: string | Uint8Array): Promise<Buffer | string> {
  const memory = new PictureMemory(1);
  const read = typeof from === "string" ? readPicture(from, "x", view, { memory }) : readRequested(from, view, memory);
  return read.then(
    (picture) => {
      picture.release();
      return ofSlab(picture.memory, frameBytes(picture.layout));
    },
    (error: Error) => {
      expect(error).toBeInstanceOf(InputError);
      return error.message;
    },
  );
}

test.each(PICTURE_FILES.map((file, i) => [file.name, i] as const))(
  "a %s is the same picture to a source, a command and a request",
  async (_name, i) => {
    const file = PICTURE_FILES[i]!;
    const bytes = await file.bytes();
    const path = join(folder, `${i}.${file.ending}`);
    writeFileSync(path, bytes);
    const seen = await shownBy(path);
    if (typeof seen === "string") throw new Error(seen);
    expect(seen.length).toBe(3 * WIDTH * (HEIGHT + view.inputHeight));
    expect(farthest(seen, 3 * WIDTH, file.grey)).toBeLessThanOrEqual(file.tolerance);
    expect(Buffer.compare(seen, (await commandSees(path)) as Buffer)).toBe(0);
    if (file.local) expect(await commandSees(bytes)).toMatch(/no picture of a kind that is taken/);
    else expect(Buffer.compare(seen, (await commandSees(bytes)) as Buffer)).toBe(0);
  },
);

test("of an animated GIF a request sees the first picture", async () => {
  const seen = await commandSees(await animatedGif());
  expect(farthest(seen as Buffer, 3 * WIDTH)).toBeLessThan(40);
});

/** Where the red quarter of a picture, stored at the top left, comes to lie; and whether its sides are swapped. */
const ORIENTATIONS = [
  [1, "top left", false],
  [2, "top right", false],
  [3, "bottom right", false],
  [4, "bottom left", false],
  [5, "top left", true],
  [6, "top right", true],
  [7, "bottom right", true],
  [8, "bottom left", true],
] as const;

test.each(ORIENTATIONS)(
  "a JPEG of orientation %i is red at the %s everywhere",
  async (orientation, corner, swapped) => {
    const quarter = await sharp({ create: { width: WIDTH / 2, height: HEIGHT / 2, channels: 3, background: "#f00" } })
      .png()
      .toBuffer();
    const bytes = await sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: "#00f" } })
      .composite([{ input: quarter, left: 0, top: 0 }])
      .withMetadata({ orientation })
      .jpeg({ quality: 100 })
      .toBuffer();
    const path = join(folder, `orientation-${orientation}.jpg`);
    writeFileSync(path, bytes);
    const seen = (await shownBy(path)) as Buffer;
    const [width, height] = swapped ? [HEIGHT, WIDTH] : [WIDTH, HEIGHT];
    const stride = 3 * Math.max(width, view.inputWidth);
    const x = corner.endsWith("left") ? 4 : width - 5;
    const y = corner.startsWith("top") ? 4 : height - 5;
    expect(seen.length).toBe(stride * (height + view.inputHeight));
    expect(seen[y * stride + 3 * x]).toBeGreaterThan(200);
    expect(seen[(height - 1 - y) * stride + 3 * x]).toBeLessThan(60);
    expect(Buffer.compare(seen, (await commandSees(path)) as Buffer)).toBe(0);
    expect(Buffer.compare(seen, (await commandSees(bytes)) as Buffer)).toBe(0);
  },
);

const jpeg = () => readFileSync(join(import.meta.dirname, "../../docs/overlay.jpg"));
const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/hosts"/></svg>';
test.each<[string, string, () => Uint8Array, RegExp]>([
  ["half a JPEG", "half.jpg", () => jpeg().subarray(0, jpeg().length >> 1), /it is damaged or cut off/],
  [
    "a JPEG damaged in its middle",
    "hit.jpg",
    () => jpeg().fill(0x55, jpeg().length >> 1, (jpeg().length >> 1) + 40),
    /it is damaged or cut off/,
  ],
  ["an empty file", "empty.png", () => new Uint8Array(), /it is empty|the request is empty/],
  [
    "text",
    "text.jpg",
    () => Buffer.from("no picture at all\n".repeat(20)),
    /none of a known kind|no picture of a kind/,
  ],
  [
    "a drawing",
    "drawing.jpg",
    () => Buffer.from(svg),
    /it is a drawing \(SVG\) and has no pixels|no picture of a kind/,
  ],
  [
    "a playlist",
    "list.bmp",
    () => Buffer.from("#EXTM3U\n#EXTINF:1,\nfile:///etc/hosts\n"),
    /none of a known kind|no picture of a kind/,
  ],
  [
    "a BMP of more pixels than are there",
    "cut.bmp",
    () =>
      Buffer.concat([
        Buffer.from("BM"),
        Buffer.alloc(12),
        Buffer.from([40, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 24, 0]),
        Buffer.alloc(90),
      ]),
    /damaged or cut off|no picture of a kind/,
  ],
])("%s is refused by a source, a command and a request", async (_what, name, make, words) => {
  const path = join(folder, name);
  writeFileSync(path, make());
  expect(await shownBy(path)).toMatch(words);
  expect(await shownBy(path)).toContain(path);
  expect(await commandSees(path)).toMatch(words);
  expect(await commandSees(make())).toMatch(words);
});

test("run, explain and attribute give one class and one probability for one file", async () => {
  const names = ["CMYK JPEG", "JPEG in Display P3", "PNG of 16 bits", "TIFF, JPEG", "TIFF, deflated tiles", "BMP"];
  const files = await Promise.all(
    PICTURE_FILES.filter(({ name }) => names.includes(name)).map(async ({ bytes, ending }, i) => {
      const path = join(folder, `same${i}.${ending}`);
      writeFileSync(path, await bytes());
      return path;
    }),
  );
  const explained = await runCli(["explain", ...files, "--model", INSPECTION.path, "--out", join(folder, "explained")]);
  expect(explained).toMatchObject({ code: 0 });
  const results = files.map((path, i) => {
    const text = readFileSync(join(folder, "explained", `same${i}.summaries.jsonl`), "utf8");
    return { path, ...JSON.parse(text).classification.top[0] };
  });
  const worker = launchWorker(
    writeConfig({
      model: INSPECTION,
      sources: files.map((url, i) => ({ name: `s${i}`, url })),
      sinks: [{ kind: "files", path: join(folder, "ran") }],
      metrics: { port: 0 },
    }),
  );
  await worker.ended;
  for (const [i, { index, probability }] of results.entries()) {
    const text = readFileSync(join(folder, "ran", `s${i}`, "summaries.jsonl"), "utf8");
    const ran = JSON.parse(text).classification.top[0];
    expect(ran.index).toBe(index);
    expect(Math.abs(ran.probability - probability)).toBeLessThan(1e-3);
  }
  for (const { path, index, probability } of results.slice(0, 3)) {
    const { stdout } = await runCli(["attribute", "--model", INSPECTION.path, "--input", path]);
    const report = JSON.parse(stdout);
    expect(report.target).toEqual([index]);
    expect(Math.abs(report.probabilities[0][index] - probability)).toBeLessThan(1e-3);
  }
});
