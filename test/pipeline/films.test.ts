import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { fitting, watchedRegion } from "../../src/frame.js";
import { ffmpeg, MEDIA, open, pixel, probedTimes, pull, takeAll, temporaryFolder } from "./helpers.js";

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
const pattern = (size: string, rate = 30) => ["-f", "lavfi", "-i", `testsrc2=size=${size}:rate=${rate}`];

function near(actual: readonly number[], expected: readonly number[]): void {
  for (const [i, value] of actual.entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(8);
}

/** Frames in order, each once, with exactly ffprobe's times. */
async function expectExact(path: string, overrides = {}): Promise<void> {
  const opened = open({ url: path, ...overrides });
  const taken = await takeAll(opened);
  const times = probedTimes(path);
  expect(taken.map((t) => t.sequence)).toEqual(times.map((_, i) => i));
  expect(taken.map((t) => t.pts.toFixed(6))).toEqual(times.map((t) => t.toFixed(6)));
  expect(taken.every((t) => t.epoch === 0)).toBe(true);
  for (const t of taken) expect(t.capturedAt - taken[0]!.capturedAt).toBeCloseTo((t.pts - taken[0]!.pts) * 1000, 2);
  const { captured, explained, dropped, inFlight } = opened.ledger.snapshot();
  expect({ captured, explained, dropped, inFlight }).toEqual({
    captured: times.length,
    explained: times.length,
    dropped: {},
    inFlight: 0,
  });
  expect(opened.source.status()).toMatchObject({ state: "ended", reason: null, restarts: 0 });
}

test("every frame of the bottles film comes once, in order, with the film's own times", async () => {
  await expectExact(join(MEDIA, "bottles.mp4"));
}, 120_000);

test.each<[string, string, string[]]>([
  [
    "a film of variable frame rate",
    "vfr.mkv",
    [...pattern("320x180"), "-t", "3", "-vf", "select='gt(random(1),0.5)'", "-fps_mode", "vfr"],
  ],
  [
    "a film of odd sizes, narrower than the model's input",
    "odd.mkv",
    [...pattern("101x77"), "-t", "1", "-c:v", "ffv1"],
  ],
  [
    "a film with reordered frames that begins late",
    "late.ts",
    [...pattern("320x180"), "-t", "2", "-c:v", "libx264", "-bf", "3"],
  ],
  ["an animation", "loop.gif", [...pattern("120x90", 10), "-t", "2"]],
  ["a film of one frame", "one.mp4", [...pattern("320x180"), "-frames:v", "1"]],
  [
    "a film of more than a thousand seconds",
    "long.mkv",
    [...pattern("64x48", 1), "-vf", "setpts=N*7.000333/TB", "-frames:v", "200", "-fps_mode", "vfr"],
  ],
  [
    "a film with sound first",
    "sound.mkv",
    ["-f", "lavfi", "-i", "sine", ...pattern("160x120"), "-t", "1", "-map", "0", "-map", "1"],
  ],
  ["ten-bit film", "deep.mkv", [...pattern("160x120"), "-t", "1", "-c:v", "libx264", "-pix_fmt", "yuv422p10le"]],
])("%s comes exactly", async (_name, name, args) => {
  ffmpeg(...args, at(name));
  await expectExact(at(name));
});

test("films joined so that their clock runs backwards come whole", async () => {
  ffmpeg(...pattern("160x120"), "-t", "1", "-c:v", "libx264", at("part.ts"));
  writeFileSync(at("joined.ts"), Buffer.concat([readFileSync(at("part.ts")), readFileSync(at("part.ts"))]));
  const opened = open({ url: at("joined.ts") });
  const taken = await takeAll(opened);
  expect(taken).toHaveLength(60);
  // That the clock goes back is no fault of the film's.
  expect(opened.source.status()).toMatchObject({ state: "ended", reason: null });
  for (let i = 1; i < taken.length; i++) expect(taken[i]!.capturedAt).toBeGreaterThanOrEqual(taken[i - 1]!.capturedAt);
});

test("a film turned by a quarter comes upright", async () => {
  ffmpeg("-i", join(MEDIA, "bottles.mp4"), "-t", "0.3", "-c", "copy", "-metadata:s:v:0", "rotate=90", at("turned.mp4"));
  const { source } = open({ url: at("turned.mp4") });
  let size = "";
  await pull(source, (frame) => {
    size = `${frame.layout.width}x${frame.layout.height}`;
    frame.release();
  });
  expect(size).toBe("360x640");
});

test("names with spaces, colons, quotes and percent signs are read", async () => {
  const name = at("a:b it's 100%d [x].mp4");
  ffmpeg("-i", join(MEDIA, "bottles.mp4"), "-t", "0.2", "-c", "copy", at("plain.mp4"));
  copyFileSync(at("plain.mp4"), name);
  expect((await takeAll(open({ url: name }))).length).toBeGreaterThan(3);
});

test("a rate limit leaves frames out and repeats none", async () => {
  ffmpeg(...pattern("160x120", 30), "-t", "4", at("rate.mkv"));
  const slow = await takeAll(open({ url: at("rate.mkv"), fps: 10 }));
  expect(slow).toHaveLength(40);
  const gaps = slow.slice(1).map((t, i) => t.pts - slow[i]!.pts);
  expect(Math.max(...gaps)).toBeCloseTo(0.1, 2);
  expect(Math.min(...gaps)).toBeCloseTo(0.1, 2);
  expect(await takeAll(open({ url: at("rate.mkv"), fps: 60 }))).toHaveLength(120);
  expect((await takeAll(open({ url: at("rate.mkv"), fps: 25 }))).length).toBeCloseTo(100, -1);
});

test("frames are scaled as configured, in proportion when one side is given", async () => {
  ffmpeg(...pattern("320x180"), "-frames:v", "1", at("scale.mkv"));
  const sizes: string[] = [];
  for (const wanted of [{ width: 160 }, { height: 45 }, { width: 200, height: 200 }]) {
    await pull(open({ url: at("scale.mkv"), ...wanted }).source, (frame) => {
      sizes.push(`${frame.layout.width}x${frame.layout.height}`);
      frame.release();
    });
  }
  expect(sizes).toEqual(["160x90", "80x45", "200x200"]);
});

test("picture and model input hold the right pixels, for each fit", async () => {
  // Left third red, middle green, right blue.
  const thirds = "color=red:40x60:d=0.1[r];color=lime:40x60:d=0.1[g];color=blue:40x60:d=0.1[b];[r][g][b]hstack=3";
  ffmpeg("-f", "lavfi", "-i", `${thirds}`, "-frames:v", "1", "-c:v", "ffv1", "-pix_fmt", "gbrp", at("thirds.mkv"));
  const seen: Record<string, number[][]> = {};
  for (const fit of ["stretch", "crop", "letterbox"] as const) {
    const { source } = open({ url: at("thirds.mkv") }, { inputWidth: 32, inputHeight: 32, fit });
    await pull(source, (frame) => {
      near(pixel(frame, 5, 5), [255, 0, 0]);
      near(pixel(frame, 60, 59), [0, 255, 0]);
      near(pixel(frame, 119, 30), [0, 0, 255]);
      seen[fit] = [pixel(frame, 1, 16, "input"), pixel(frame, 16, 1, "input"), pixel(frame, 30, 16, "input")];
      frame.release();
    });
  }
  near(seen.stretch![0]!, [255, 0, 0]);
  near(seen.stretch![2]!, [0, 0, 255]);
  // The middle 60 of 120 columns: 10 of red, 40 of green, 10 of blue.
  near(seen.crop![0]!, [255, 0, 0]);
  near(seen.crop![1]!, [0, 255, 0]);
  // Grey above and below.
  near(seen.letterbox![1]!, [128, 128, 128]);
  near(seen.letterbox![0]!, [255, 0, 0]);
});

test("a region is cut exactly where the placement says", async () => {
  const region = { x: 30, y: 10, width: 20, height: 20 };
  const graph =
    "color=red:120x60:d=0.1,format=gbrp[a];color=blue:20x20:d=0.1,format=gbrp[b];[a][b]overlay=30:10:format=gbrp";
  ffmpeg("-f", "lavfi", "-i", graph, "-frames:v", "1", "-c:v", "ffv1", at("region.mkv"));
  const { source } = open({ url: at("region.mkv"), region }, { inputWidth: 20, inputHeight: 20 });
  await pull(source, (frame) => {
    expect(frame.layout.placement.clip).toEqual(
      fitting(watchedRegion(120, 60, region), { fit: "stretch", inputWidth: 20, inputHeight: 20 }).source,
    );
    for (const [x, y] of [
      [0, 0],
      [19, 0],
      [0, 19],
      [19, 19],
      [10, 10],
    ] as const) {
      const [r, , b] = pixel(frame, x, y, "input");
      expect(r).toBeLessThan(4);
      expect(b).toBeGreaterThan(250);
    }
    frame.release();
  });
});

test("a folder of pictures comes in the order of names, turned upright, others set into the size of the first", async () => {
  const pictures = at("pictures");
  mkdirSync(pictures);
  const plain = (width: number, height: number, background: string) =>
    sharp({ create: { width, height, channels: 3, background } }).jpeg({ quality: 100 });
  await plain(80, 120, "#ff0000").withMetadata({ orientation: 6 }).toFile(join(pictures, "p2.jpg"));
  await plain(60, 60, "#00ff00").toFile(join(pictures, "p10.JPG"));
  await plain(120, 80, "#0000ff").toFile(join(pictures, "p11.jpeg"));
  writeFileSync(join(pictures, "notes.txt"), "not a picture");
  const corners: number[][] = [];
  const centres: number[][] = [];
  for (const url of [pictures, join(pictures, "p*.[jJ]*")]) {
    corners.length = 0;
    centres.length = 0;
    const { source, ledger } = open({ url });
    await pull(source, (frame) => {
      expect(`${frame.layout.width}x${frame.layout.height}`).toBe("120x80");
      corners.push(pixel(frame, 2, 2));
      centres.push(pixel(frame, 60, 40));
      frame.release();
      ledger.explained();
    });
    expect(ledger.snapshot().explained).toBe(3);
  }
  const strongest = (p: number[]) => p.indexOf(Math.max(...p));
  expect(centres.map(strongest)).toEqual([0, 1, 2]);
  expect(corners[1]!.every((v) => Math.abs(v - 128) < 4)).toBe(true);
});

test("pictures come at the configured rate, and a looping folder begins again", async () => {
  cpSync(at("pictures"), at("again"), { recursive: true });
  const opened = open({ url: at("again"), fps: 5, loop: true, pace: "fast" });
  const pts: number[] = [];
  await pull(opened.source, (frame) => {
    pts.push(frame.pts);
    frame.release();
    opened.ledger.explained();
    return pts.length < 10;
  });
  await opened.source.stop();
  expect(pts.map((t) => t.toFixed(3))).toEqual(Array.from({ length: 10 }, (_, i) => (i / 5).toFixed(3)));
});

test.each([
  ["rewound by ffmpeg", "short.mp4", 1],
  ["started anew", "short.ts", 2],
])("a looping film goes on without a gap in its count, %s", async (_name, name, epochs) => {
  ffmpeg(...pattern("160x120"), "-t", "0.5", "-c:v", "libx264", at(name));
  const opened = open({ url: at(name), loop: true, pace: "fast" }, { timing: { loopMs: 10 } });
  const seen: { epoch: number; pts: number }[] = [];
  await pull(opened.source, (frame) => {
    expect(frame.sequence).toBe(seen.length);
    seen.push({ epoch: frame.epoch, pts: frame.pts });
    frame.release();
    opened.ledger.explained();
    return seen.length < 25;
  });
  await opened.source.stop();
  opened.source.discard("shutdown");
  expect(new Set(seen.map((s) => s.epoch)).size).toBe(epochs);
  for (let i = 1; i < seen.length; i++) {
    if (seen[i]!.epoch === seen[i - 1]!.epoch) expect(seen[i]!.pts).toBeGreaterThan(seen[i - 1]!.pts);
  }
  expect(opened.source.status().restarts).toBe(0);
  expect(opened.ledger.snapshot().inFlight).toBe(0);
});
