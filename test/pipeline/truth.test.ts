import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import type { SourceConfig } from "../../src/config/schema.js";
import type { FrameTruth } from "../../src/frame.js";
import { checkSource } from "../../src/pipeline/check.js";
import { config, ffmpeg, open, pull, temporaryFolder } from "./helpers.js";

const VIEW = { inputWidth: 8, inputHeight: 8, fit: "stretch" } as const;
const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const written = (name: string, ...lines: string[]): string => {
  writeFileSync(at(name), `${lines.join("\n")}\n`);
  return name;
};

beforeAll(async () => {
  mkdirSync(at("parts"));
  for (const name of ["part2.png", "part10.png", "part1.png"])
    await sharp({ create: { width: 64, height: 64, channels: 3, background: "#777" } }).toFile(at(`parts/${name}`));
  // White on the lower right quarter.
  const quarter = await sharp({ create: { width: 32, height: 32, channels: 3, background: "#fff" } })
    .png()
    .toBuffer();
  const black = { create: { width: 64, height: 64, channels: 3, background: "#000" } } as const;
  await sharp(black)
    .composite([{ input: quarter, left: 32, top: 32 }])
    .toFile(at("quarter.png"));
  await sharp(black).toFile(at("black.png"));
  await sharp(black).resize(64, 32, { fit: "fill" }).toFile(at("wide.png"));
  ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x64:rate=10:duration=1.2", "-pix_fmt", "yuv420p", at("film.mp4"));
});

/** What is known of the first frames of a source, with their times. */
async function known(source: Partial<SourceConfig> & { url: string }, frames = Number.POSITIVE_INFINITY) {
  const opened = open({ pace: "fast", ...source }, { baseDir: folder, ...VIEW });
  const found: { pts: number; truth: FrameTruth | undefined }[] = [];
  await pull(opened.source, ({ pts, truth, release }) => {
    found.push({ pts, truth });
    release();
    opened.ledger.explained();
    return found.length < frames;
  });
  await opened.source.stop();
  return found;
}

const labels = (found: Awaited<ReturnType<typeof known>>) => found.map(({ truth }) => truth?.label);
const fault = (source: Partial<SourceConfig> & { url: string }): Promise<string> =>
  checkSource(config(source), folder).then(
    () => "none",
    ({ message }: Error) => message,
  );

describe("the truth of a source", () => {
  it("is that of each picture of a folder by its name, in every round", async () => {
    const truth = written("parts.csv", "image,label,mask", "part10.png,hole,quarter.png", "part1.png,ok,");
    const found = await known({ url: "parts", truth, loop: true }, 7);
    expect(labels(found)).toEqual(["ok", undefined, "hole", "ok", undefined, "hole", "ok"]);
    const { inside, area } = found[2]!.truth!.mask!;
    expect(area).toBe(0.25);
    expect([...inside]).toEqual(Array.from({ length: 64 }, (_, i) => (i % 8 >= 4 && i >= 32 ? 1 : 0)));
    expect(found[0]!.truth).toEqual({ label: "ok" });
  });

  it("is that of a film from a time on, also where the film has begun anew", async () => {
    const truth = written("film.csv", "0.3;scratch;quarter.png", "0.5;", "0.9;ok");
    const found = await known({ url: "film.mp4", truth, loop: true }, 30);
    const expected = found.map((_, k) => {
      const tenth = k % 12;
      return tenth < 3 || (tenth >= 5 && tenth < 9) ? undefined : tenth < 5 ? "scratch" : "ok";
    });
    expect(labels(found)).toEqual(expected);
    expect(found.at(-1)!.pts).toBeGreaterThan(2.8);
  });

  it("has masks that are turned and cut as the picture is", async () => {
    const truth = written("cut.csv", "0,hole,quarter.png");
    const region = { x: 0, y: 32, width: 32, height: 32 };
    const [whole] = await known({ url: "film.mp4", truth, region, rotate: 90 }, 1);
    expect(whole!.truth!.mask!.area).toBe(1);
    const [none] = await known({ url: "film.mp4", truth, region: { ...region, y: 0 } }, 1);
    expect(none!.truth).toEqual({ label: "hole" });
  });

  it("has a mask of nearly the source's proportions, black beside it", async () => {
    await sharp(at("quarter.png")).resize(200, 197, { fit: "fill", kernel: "nearest" }).toFile(at("nearly.png"));
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=200x200:rate=10:duration=0.1", "-pix_fmt", "yuv420p", at("large.mp4"));
    const truth = written("nearly.csv", "0,hole,nearly.png");
    const opened = open(
      { url: "large.mp4", pace: "fast", truth },
      { baseDir: folder, ...VIEW, inputWidth: 200, inputHeight: 200 },
    );
    let mask: NonNullable<FrameTruth["mask"]> | undefined;
    await pull(opened.source, (frame) => {
      mask = frame.truth?.mask;
      frame.release();
      opened.ledger.explained();
      return false;
    });
    await opened.source.stop();
    expect(mask!.inside.subarray(0, 200).includes(1)).toBe(false);
    expect(mask!.area).toBeCloseTo(0.25, 1);
  });

  it("has no mask where that is black throughout", async () => {
    const [first] = await known({ url: "film.mp4", truth: written("black.csv", "0,hole,black.png") }, 1);
    expect(first!.truth).toEqual({ label: "hole" });
  });

  it("is refused with the line that is wrong", async () => {
    const film = { url: "film.mp4" };
    const refused = (...lines: string[]) => fault({ ...film, truth: written("wrong.csv", ...lines) });
    expect(await refused("seconds,label")).toMatch(/wrong\.csv holds no line; write SECONDS,LABEL or NAME,LABEL$/);
    expect(await refused("0,ok", "soon,hole")).toMatch(/line 2 begins with "soon"; write the seconds of a film/);
    expect(await refused("1,ok", "1,hole")).toMatch(/line 2 is not later than the line before/);
    expect(await refused("0,,quarter.png")).toMatch(/line 1 has a mask and no label/);
    expect(await refused("0,hole,gone.png")).toMatch(/line 1: the mask .*gone\.png cannot be read/);
    expect(await refused("0,hole,wide.png")).toMatch(/wide\.png has 64x32 pixels, other proportions than .* 64x64/);
    expect(await fault({ ...film, truth: "gone.csv" })).toMatch(/source belt: .*gone\.csv cannot be read/);
    expect(await fault({ url: "testsrc", truth: "wrong.csv" })).toMatch(/truth has no meaning for a live source/);
    const parts = { url: "parts" };
    expect(await fault({ ...parts, truth: written("a.csv", "part7.png,ok") })).toMatch(
      /line 1 begins with "part7.png"/,
    );
    expect(await fault({ ...parts, truth: written("b.csv", "part1.png,ok", "part1.png,hole") })).toMatch(
      /line 2 names part1\.png a second time/,
    );
  });
});
