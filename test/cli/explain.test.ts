import { execFile, spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Summary, summarySchema } from "../../src/messages/summary.js";
import { ffmpeg, filmFacts, frameTimes, pixelOf } from "./films.js";
import { MAIN, runCli } from "./run-cli.js";

const shipped = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const MODEL = ["--model", shipped("models/inspection-cnn")];
const FILM = shipped("assets/media/bottles.mp4");

let folder: string;
let film: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "explain-"));
  film = join(folder, "film.mp4");
  // Many key frames, the index in front: what is left of it when it is cut off can be decoded.
  await ffmpeg("-i", FILM, "-frames:v", "20", "-g", "5", "-movflags", "+faststart", film);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A folder of its own for a test's files. */
const place = (): string => mkdtempSync(join(folder, "at-"));
const summaries = (path: string): Summary[] =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => summarySchema.parse(JSON.parse(line)));

it("a film whose name has a line end is refused in one sentence", async () => {
  const odd = join(place(), "two\nlines.mp4");
  copyFileSync(film, odd);
  const { code, stderr } = await runCli(["explain", odd, ...MODEL, "--out", place()]);
  expect(stderr).toMatch(
    /^video-explainer: .*two lines\.mp4 has a line end or another control character in its name; rename it\n$/,
  );
  expect(code).toBe(2);
});

/** Four colours, so that a turn or a wrong colour space shows. */
const picture = () => {
  const [width, height] = [200, 100];
  const data = Buffer.alloc(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    data.set([x < 100 ? 220 : 20, y < 50 ? 200 : 30, 60], i * 3);
  }
  return sharp(data, { raw: { width, height, channels: 3 } });
};

/** A busy machine is so slow that progress is told. */
const withoutProgress = (stderr: string): string => stderr.replace(/^\S+: \d+ of \d+ frames, [^\n]*\n/gm, "");

describe("explain, of a film", () => {
  it("writes a film of as many frames at the same times, and a summary for each", async () => {
    const at = place();
    const copy = join(at, "bottles.mp4");
    copyFileSync(film, copy);
    const { code, stdout, stderr } = await runCli(["explain", copy, "--region", "370,80,270,270", ...MODEL]);
    expect([code, withoutProgress(stderr)]).toEqual([0, ""]);
    expect(stdout).toMatch(
      /bottles\.mp4: 20 frames, .+ in \d+ \(\d+\.\d %\); wrote .*bottles\.explained\.mp4 and .*\n$/,
    );
    expect(readdirSync(at).sort()).toEqual(["bottles.explained.mp4", "bottles.mp4", "bottles.summaries.jsonl"]);

    const made = join(at, "bottles.explained.mp4");
    const [facts, given] = [await filmFacts(made), await filmFacts(film)];
    expect(facts).toMatchObject({ codec_name: "h264", width: 640, height: 360, frames: 20, pix_fmt: "yuv420p" });
    expect(facts.duration).toBeCloseTo(given.duration, 2);
    const lines = summaries(join(at, "bottles.summaries.jsonl"));
    expect(lines.map((line) => line.sequence)).toEqual(Array.from({ length: 20 }, (_, k) => k));
    expect(new Set(lines.map((line) => line.id)).size).toBe(20);
    expect(lines[0]).toMatchObject({ station: "explain", source: "bottles", frame: { width: 640, height: 360 } });
    for (const { relevance } of lines) expect(relevance!.positive - relevance!.negative).toBeCloseTo(1, 3);

    // Outside the region the picture is the film's own, in its colours.
    const [mine, theirs] = await Promise.all([pixelOf(made, 5, 200, 300), pixelOf(film, 5, 200, 300)]);
    for (const c of [0, 1, 2]) expect(Math.abs(mine[c]! - theirs[c]!)).toBeLessThan(10);
  });

  it("keeps the times of a film without a steady rate and odd sizes, and makes pixels square that are not", async () => {
    const uneven = join(folder, "uneven.mkv");
    const slowing = "setsar=16/15,setpts='if(lt(N,10),N/30,1/3+(N-10)/10)/TB'";
    await ffmpeg("-f", "lavfi", "-i", "testsrc=s=161x121:r=30:d=0.7", "-vf", slowing, "-fps_mode", "vfr", uneven);
    const out = join(place(), "new", "folder");
    const { code, stderr } = await runCli(["explain", uneven, "--out", out, ...MODEL]);
    expect([code, withoutProgress(stderr)]).toEqual([0, ""]);
    const made = join(out, "uneven.explained.mp4");
    const [mine, theirs] = [await frameTimes(made), await frameTimes(uneven)];
    expect(mine).toHaveLength(theirs.length);
    mine.forEach((time, k) => {
      expect(Math.abs(time - theirs[k]!)).toBeLessThan(0.002);
    });
    expect(await filmFacts(made)).toMatchObject({ width: 172, height: 122, sample_aspect_ratio: "1:1" });
  });

  it("explains each nth frame, classifies all, and leaves out frames above the rate", async () => {
    const out = place();
    const { code, stdout } = await runCli(["explain", film, "--every", "4", "--out", out, ...MODEL]);
    expect(code).toBe(0);
    expect(stdout).toContain("20 frames, 5 of them explained, ");
    expect(await filmFacts(join(out, "film.explained.mp4"))).toMatchObject({ frames: 5 });
    expect(summaries(join(out, "film.summaries.jsonl")).map((line) => line.relevance !== null)).toEqual(
      Array.from({ length: 20 }, (_, k) => k % 4 === 0),
    );
    const slow = place();
    expect(await runCli(["explain", film, "--fps", "10", "--out", slow, ...MODEL])).toMatchObject({ code: 0 });
    expect((await filmFacts(join(slow, "film.explained.mp4"))).frames).toBe(7);
  });

  it("takes an animated GIF for a film, a still one for a picture", async () => {
    const at = place();
    await ffmpeg("-i", film, "-frames:v", "5", join(at, "moving.gif"));
    await picture().gif().toFile(join(at, "still.gif"));
    expect(await runCli(["explain", at, ...MODEL])).toMatchObject({ code: 0, stderr: "" });
    expect(await filmFacts(join(at, "moving.explained.mp4"))).toMatchObject({ frames: 5 });
    expect(await sharp(join(at, "still.explained.jpg")).metadata()).toMatchObject({ width: 200, height: 100 });
  });

  it("writes what decodes of a film that is cut off, and reports the rest in one sentence", async () => {
    const at = place();
    const whole = readFileSync(film);
    writeFileSync(join(at, "cut.mp4"), whole.subarray(0, Math.round(whole.length * 0.6)));
    const { code, stdout, stderr } = await runCli(["explain", join(at, "cut.mp4"), ...MODEL]);
    const decoded = Number(/cut\.mp4: (\d+) frames/.exec(stdout)![1]);
    expect(decoded).toBeGreaterThan(2);
    expect(decoded).toBeLessThan(20);
    expect(code).toBe(2);
    expect(withoutProgress(stderr)).toMatch(
      new RegExp(
        `^video-explainer: .*cut\\.mp4 is damaged or cut off: ${decoded} of 20 frames were decoded[^\\n]*\\n$`,
      ),
    );
    expect(await filmFacts(join(at, "cut.explained.mp4"))).toMatchObject({ frames: decoded });
    expect(summaries(join(at, "cut.summaries.jsonl"))).toHaveLength(decoded);
  });

  it("takes another encoder where ffmpeg has no libx264, and says so in one sentence where it has none", async () => {
    const bare = join(place(), "ffmpeg");
    const wrapper = (keep: string): void => {
      const only = `ffmpeg "$@" | grep -E ' (${keep}) '; exit 0`;
      writeFileSync(bare, `#!/bin/sh\ncase " $* " in *" -encoders "*) ${only};; esac\nexec ffmpeg "$@"\n`);
      chmodSync(bare, 0o755);
    };
    wrapper("mpeg4|libmp3lame");
    const out = place();
    const args = ["explain", film, "--out", out, ...MODEL];
    const done = await runCli(args, { FFMPEG_PATH: bare });
    // On a slow machine it tells how far it is.
    const beside = withoutProgress(done.stderr);
    expect([done.code, beside]).toEqual([0, ""]);
    expect(await filmFacts(join(out, "film.explained.mp4"))).toMatchObject({ codec_name: "mpeg4", frames: 20 });

    wrapper("libmp3lame");
    const none = place();
    const { code, stderr } = await runCli(["explain", film, "--out", none, ...MODEL], { FFMPEG_PATH: bare });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^video-explainer: ffmpeg \(.*\) can encode none of libx264, [^\n]*\n$/);
    expect(readdirSync(none)).toEqual([]);
  });

  it("fails in one sentence that names the film when its encoder dies half way, and leaves nothing behind", async () => {
    const dying = join(place(), "ffmpeg");
    const die = "head -c 200000 >/dev/null; echo '[error] it fell over' >&2; exit 1";
    writeFileSync(dying, `#!/bin/sh\ncase " $* " in *" -c:v libx264 "*) ${die};; esac\nexec ffmpeg "$@"\n`);
    chmodSync(dying, 0o755);
    const out = place();
    const { code, stdout, stderr } = await runCli(["explain", film, "--out", out, ...MODEL], { FFMPEG_PATH: dying });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^video-explainer: \S*film\.mp4: the explained film cannot be written: it fell over\n$/);
    expect(readdirSync(out)).toEqual([]);
  });

  it("stops at Ctrl-C with exit code 130, leaving neither results nor processes behind", async () => {
    const at = place();
    copyFileSync(FILM, join(at, "long.mp4"));
    const child = spawn(process.execPath, [MAIN, "explain", join(at, "long.mp4"), ...MODEL], { stdio: "ignore" });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const growing = (): boolean =>
      readdirSync(at).some((name) => name.includes("summaries") && statSync(join(at, name)).size > 0);
    while (!growing()) await sleep(50);
    child.kill("SIGINT");
    expect(await ended).toBe(130);
    expect(readdirSync(at)).toEqual(["long.mp4"]);
    const { stdout } = await promisify(execFile)("ps", ["-eo", "args"]);
    expect(stdout.split("\n").filter((line) => line.includes(at))).toEqual([]);
  });
});

describe("explain, of pictures", () => {
  it.each<[name: string, file: string, make: (path: string) => Promise<unknown>, size: [number, number]]>([
    [
      "a JPEG that its camera held upright",
      "turned.jpg",
      (p) => picture().withMetadata({ orientation: 6 }).jpeg().toFile(p),
      [100, 200],
    ],
    ["a CMYK JPEG", "print.jpg", (p) => picture().toColourspace("cmyk").jpeg({ quality: 95 }).toFile(p), [200, 100]],
    ["a PNG of 16 bit", "deep.png", (p) => picture().toColourspace("rgb16").png().toFile(p), [200, 100]],
    ["a grey PNG", "grey.png", (p) => picture().greyscale().png().toFile(p), [200, 100]],
    ["a PNG with transparency", "clear.png", (p) => picture().ensureAlpha(0).png().toFile(p), [200, 100]],
    ["a WebP", "a.webp", (p) => picture().webp().toFile(p), [200, 100]],
    ["a TIFF", "a.tif", (p) => picture().tiff().toFile(p), [200, 100]],
    ["a BMP, which ffmpeg reads", "a.bmp", async (p) => ffmpeg("-i", await saved("for.png"), p), [200, 100]],
    ["a picture without an ending", "picture", (p) => picture().png().toFile(p), [200, 100]],
  ])("reads %s", async (_, file, make, [width, height]) => {
    const at = place();
    await make(join(at, file));
    // Without heat, which would lie on the colours.
    expect(await runCli(["explain", join(at, file), "--opacity", "0", ...MODEL])).toMatchObject({
      code: 0,
      stderr: "",
    });
    const stem = file.replace(/\..*$/, "");
    const drawn = sharp(join(at, `${stem}.explained.jpg`));
    expect(await drawn.metadata()).toMatchObject({ width, height, format: "jpeg" });
    const [summary, ...more] = summaries(join(at, `${stem}.summaries.jsonl`));
    expect(more).toEqual([]);
    expect(summary).toMatchObject({ source: stem, frame: { width, height } });
    // Bottom right: dark blue, or grey where it is transparent, or bright where the turn brought red there.
    const [r, g, b] = await drawn
      .extract({ left: width - 20, top: height - 20, width: 1, height: 1 })
      .raw()
      .toBuffer();
    const near = (wanted: number[]): boolean => [r, g, b].every((v, c) => Math.abs(v! - wanted[c]!) < 45);
    expect(near(file === "clear.png" ? [128, 128, 128] : file === "turned.jpg" ? [20, 200, 60] : [20, 30, 60])).toBe(
      true,
    );
  });

  const saved = async (name: string): Promise<string> => {
    const path = join(place(), name);
    await picture().png().toFile(path);
    return path;
  };

  it("classifies a picture as attribute does", async () => {
    const path = await saved("same.png");
    await runCli(["explain", path, "--quiet", ...MODEL]);
    const { stdout } = await runCli(["attribute", "--input", path, ...MODEL]);
    const { probabilities, target } = JSON.parse(stdout) as { probabilities: number[][]; target: number[] };
    const [summary] = summaries(path.replace(".png", ".summaries.jsonl"));
    expect(summary!.classification.target.index).toBe(target[0]);
    expect(summary!.classification.target.probability).toBeCloseTo(probabilities[0]![target[0]!]!, 4);
  });

  it("takes folders and globs, in the order of numbers, without its own results, endings kept where names would meet", async () => {
    const at = place();
    for (const name of ["p10.png", "p2.png", "p2.jpg", "p2.explained.jpg"]) await picture().toFile(join(at, name));
    writeFileSync(join(at, "notes.txt"), "not for us");
    const { code, stdout } = await runCli(["explain", at, join(at, "p*.png"), ...MODEL]);
    expect(code).toBe(0);
    expect([...stdout.matchAll(/([\w.]+): .* wrote .*?([\w.]+) and/g)].map((m) => [m[1], m[2]])).toEqual([
      ["p2.jpg", "p2.jpg.explained.jpg"],
      ["p2.png", "p2.png.explained.jpg"],
      ["p10.png", "p10.explained.jpg"],
    ]);
  });

  it("replaces results only with --force, and never what it reads", async () => {
    const path = await saved("once.png");
    const before = readFileSync(path);
    expect(await runCli(["explain", path, ...MODEL])).toMatchObject({ code: 0 });
    const made = path.replace(".png", ".explained.jpg");
    writeFileSync(made, "mine");
    const again = await runCli(["explain", path, ...MODEL]);
    expect([again.code, again.stdout]).toEqual([2, ""]);
    expect(again.stderr).toMatch(
      /^video-explainer: .*once\.png: .*once\.explained\.jpg exists already; give --force[^\n]*\n$/,
    );
    expect(readFileSync(made, "utf8")).toBe("mine");
    expect(await runCli(["explain", path, "--force", ...MODEL])).toMatchObject({ code: 0, stderr: "" });
    expect(statSync(made).size).toBeGreaterThan(1000);
    expect(readFileSync(path)).toEqual(before);
  });
});

describe("explain, of what cannot be explained", () => {
  it("says why in one sentence a file, goes on with the others, and exits 2", async () => {
    const at = place();
    const path = (name: string): string => join(at, name);
    await picture().jpeg().toFile(path("good.jpg"));
    writeFileSync(path("cut.jpg"), readFileSync(path("good.jpg")).subarray(0, 900));
    for (const name of ["text.jpg", "text.mp4", "notes.txt"]) writeFileSync(path(name), "some words\n".repeat(40));
    writeFileSync(path("empty.mp4"), "");
    mkdirSync(path("bare"));
    const names = ["missing.mp4", "cut.jpg", "text.jpg", "text.mp4", "notes.txt", "empty.mp4", "bare", "good.jpg"];
    const { code, stdout, stderr } = await runCli(["explain", ...names.map(path), "rtsp://u:hunter2@h/s", ...MODEL]);
    expect(code).toBe(2);
    expect(stdout).toMatch(/^\S*good\.jpg: [^\n]*\n$/);
    const said = stderr.trimEnd().split("\n");
    expect(said).toHaveLength(8);
    expect(stderr).not.toContain("hunter2");
    expect(stderr).not.toContain("Source ");
    for (const [name, words] of [
      ["missing.mp4", "does not exist"],
      ["cut.jpg", "is damaged or cut off"],
      ["text.jpg", "cannot be read as a picture"],
      ["text.mp4", "cannot be read as video"],
      ["notes.txt", "cannot be read as video"],
      ["empty.mp4", "is empty"],
      ["bare", "holds no pictures"],
      ["rtsp://", "use `video-explainer run`"],
    ] as const)
      expect(
        said.filter((line) => line.includes(name) && line.includes(words)),
        name,
      ).toHaveLength(1);
    expect(
      readdirSync(at)
        .filter((name) => /explained|part|summaries/.test(name))
        .sort(),
    ).toEqual(["good.explained.jpg", "good.summaries.jsonl"]);
  });

  it.each<[name: string, args: () => string[], words: RegExp]>([
    [
      "a region outside the frame",
      () => [film, "--region", "600,0,100,100"],
      /film\.mp4: the region .* reaches outside the 640x360 frame/,
    ],
    ["a region that is none", () => [film, "--region", "1,2,3"], /give x,y,width,height/],
    ["a class that the model has not", () => [film, "--target", "99"], /99/],
    ["a result folder that is a file", () => [film, "--out", film], /cannot be written/],
    ["an unknown engine", () => [film, "--engine", "abacus"], /engine "abacus" is not known/],
  ])("refuses %s with exit code 2", async (_, args, words) => {
    const { code, stdout, stderr } = await runCli(["explain", ...MODEL, "--out", place(), ...args()]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^video-explainer: [^\n]*\n$/);
    expect(stderr).toMatch(words);
  });

  it("refuses a model that does not exist before it touches a file", async () => {
    const out = join(place(), "out");
    const { code, stderr } = await runCli(["explain", film, "--model", "nothing-here", "--out", out]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^video-explainer: model "nothing-here" does not exist[^\n]*\n$/);
    expect(existsSync(out)).toBe(false);
  });
});
