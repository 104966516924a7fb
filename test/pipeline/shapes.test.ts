import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { SourceConfig } from "../../src/config/schema.js";
import { StderrTail } from "../../src/ffmpeg/log-lines.js";
import { isHighDefinition, type Shape, ShapeReader } from "../../src/ffmpeg/shape.js";
import { frameLayout } from "../../src/frame.js";
import type { DecodePlan } from "../../src/pipeline/plan.js";
import { Reshape } from "../../src/pipeline/reshape.js";
import { ffmpeg, open, pixel, pull, temporaryFolder } from "./helpers.js";

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

interface Picture {
  size: string;
  /** Colour of the point that lies so far across and down, from 0 to 1. */
  at(x: number, y: number): number[];
}

interface Shown {
  pictures: Picture[];
  notes: string[];
}

async function show(url: string, overrides: Partial<SourceConfig> = {}): Promise<Shown> {
  const pictures: Picture[] = [];
  const notes: string[] = [];
  const { source } = open({ url, ...overrides }, { onNote: (_source, note) => notes.push(note) });
  await pull(source, (frame) => {
    const { width, height } = frame.layout;
    const copy = { ...frame, memory: frame.memory.slice(0) };
    pictures.push({
      size: `${width}x${height}`,
      at: (x, y) => pixel(copy, Math.round(x * (width - 1)), Math.round(y * (height - 1))),
    });
    frame.release();
  });
  return { pictures, notes };
}

function near(actual: readonly number[], expected: readonly number[], by = 8): void {
  for (const [i, value] of actual.entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(by);
}

/** A film whose pixels are as wide by their height as this says. */
function oblong(name: string, size: string, pixels: string, ...more: string[]): string {
  const film = ["-f", "lavfi", "-i", `testsrc2=size=${size}:rate=5`, "-frames:v", "2", "-vf", `setsar=${pixels}`];
  ffmpeg(...film, "-c:v", "libx264", "-pix_fmt", "yuv420p", ...more, at(name));
  return at(name);
}

test.each<[string, string, Partial<SourceConfig>, string]>([
  ["720x576", "64/45", {}, "1024x576"],
  ["720x480", "8/9", {}, "720x540"],
  ["720x576", "64/45", { pixelAspect: "stored" }, "720x576"],
  ["720x576", "64/45", { rotate: 90 }, "576x1024"],
  ["720x576", "64/45", { width: 512 }, "512x288"],
  ["720x576", "64/45", { width: 300, height: 300 }, "300x300"],
  ["160x120", "1/1", {}, "160x120"],
  ["160x120", "0", {}, "160x120"],
  ["160x120", "1/40", {}, "160x120"],
])("a film of %s whose pixels are %s, with %j, is shown as %s", async (size, pixels, overrides, shown) => {
  const film = oblong(`oblong-${size}-${pixels.replace("/", "-")}.mkv`, size, pixels);
  const { pictures, notes } = await show(film, overrides);
  expect(pictures.map((picture) => picture.size)).toEqual([shown, shown]);
  // It fills the frame: no grey beside it.
  for (const [x, y] of [
    [0, 0.5],
    [1, 0.5],
    [0.5, 0],
    [0.5, 1],
  ] as const) {
    expect(pictures[0]!.at(x, y)).not.toEqual([128, 128, 128]);
  }
  expect(notes).toEqual([]);
});

test("a film that a player turns by a quarter is made square as it is seen", async () => {
  const film = oblong("upright.mp4", "720x576", "64/45");
  ffmpeg("-i", film, "-c", "copy", "-metadata:s:v:0", "rotate=90", at("turned.mp4"));
  expect((await show(at("turned.mp4"))).pictures[0]!.size).toBe("576x1024");
});

test("pictures in a folder are shown as they are stored, whatever they say of their pixels", async () => {
  mkdirSync(at("photos"));
  ffmpeg("-f", "lavfi", "-i", "testsrc2=size=80x60", "-frames:v", "1", "-vf", "setsar=2", at("photos/a.jpg"));
  expect((await show(at("photos"))).pictures[0]!.size).toBe("80x60");
});

test("a film whose pictures take other proportions has them set into the first one's frame, and says so once", async () => {
  const colour = (name: string, size: string) =>
    ffmpeg("-f", "lavfi", "-i", `color=red:size=${size}:rate=5:d=1`, "-c:v", "mpeg2video", "-q:v", "1", at(name));
  colour("wide.ts", "320x240");
  colour("square.ts", "480x480");
  colour("large.ts", "640x480");
  const parts = ["wide.ts", "large.ts", "square.ts"].map((name) => readFileSync(at(name)));
  writeFileSync(at("changes.ts"), Buffer.concat(parts));
  const { pictures, notes } = await show(at("changes.ts"));
  expect(pictures.length).toBeGreaterThanOrEqual(13);
  expect(new Set(pictures.map((picture) => picture.size))).toEqual(new Set(["320x240"]));
  for (const picture of pictures) expect(picture.at(0.5, 0.5)[0]).toBeGreaterThan(200);
  // 240 of 320 columns are the picture.
  expect(pictures[0]!.at(0, 0)[0]).toBeGreaterThan(200);
  expect(pictures[7]!.at(0, 0)[0]).toBeGreaterThan(200);
  near(pictures.at(-1)!.at(0.1, 0.5), [128, 128, 128], 2);
  expect(pictures.at(-1)!.at(0.15, 0.5)[0]).toBeGreaterThan(200);
  expect(notes).toEqual(["its picture is now 480x480, and set, with grey beside it, into the frame of 320x240"]);
});

test("a film whose pixels change their shape, and nothing else, keeps its proportions, too", async () => {
  const parts = ["4/3", "16/9"].map((proportions) => {
    const name = `pixels-${proportions.replace("/", "-")}.ts`;
    const red = ["-f", "lavfi", "-i", "color=red:size=320x240:rate=5:d=1", "-vf", `setdar=${proportions}`];
    ffmpeg(...red, "-c:v", "mpeg2video", "-q:v", "1", at(name));
    return readFileSync(at(name));
  });
  writeFileSync(at("pixels.ts"), Buffer.concat(parts));
  const { pictures, notes } = await show(at("pixels.ts"));
  expect(pictures[0]!.at(0.5, 0.05)[0]).toBeGreaterThan(200);
  // 180 of 240 lines are the picture.
  near(pictures.at(-1)!.at(0.5, 0.05), [128, 128, 128], 2);
  expect(pictures.at(-1)!.at(0.5, 0.15)[0]).toBeGreaterThan(200);
  expect(notes).toEqual([
    "its picture is now 320x240 with pixels that are not square (1.778:1), and set, with grey beside it, into the frame of 320x240",
  ]);
});

const RED = [200, 30, 30];
/** A film of one colour, coded by one matrix and tagged as another, or not at all. */
function coded(name: string, size: string, matrix: string, tag: string, range = "tv", ...codec: string[]): string {
  const coding = `format=gbrp,scale=out_color_matrix=${matrix}:out_range=${range},format=yuv420p`;
  const tags = `setparams=colorspace=${tag}:range=${range}`;
  const source = ["-f", "lavfi", "-i", `color=0xC81E1E:size=${size}:rate=5`, "-frames:v", "1"];
  const coder = codec.length > 0 ? codec : ["-c:v", "libx264", "-qp", "2"];
  ffmpeg(...source, "-vf", `${coding},${tags}`, ...coder, at(name));
  return at(name);
}

test.each<[string, string, string, string, Partial<SourceConfig>, string?]>([
  ["HD without a tag is BT.709", "1280x720", "bt709", "unknown", {}],
  ["so is what is less wide and more than 576 high", "960x720", "bt709", "unknown", {}],
  ["in full range too", "1280x720", "bt709", "unknown", {}, "pc"],
  ["SD without a tag is BT.601", "720x576", "bt601", "unknown", {}],
  ["HD that is tagged is what it says", "1280x720", "bt601", "smpte170m", {}],
  ["SD that is tagged is what it says", "320x240", "bt709", "bt709", {}],
  ["scaled down, HD is HD", "1280x720", "bt709", "unknown", { width: 160 }],
  ["HD may be said to be BT.601", "1280x720", "bt601", "unknown", { colorMatrix: "bt601" }],
  ["SD may be said to be BT.709, whatever it says itself", "320x240", "bt709", "smpte170m", { colorMatrix: "bt709" }],
  ["BT.2020 may be said, too", "320x240", "bt2020", "unknown", { colorMatrix: "bt2020" }],
])("%s", async (name, size, matrix, tag, overrides, range) => {
  const film = coded(`${name.replaceAll(/\W/g, "")}.mkv`, size, matrix, tag, range);
  near((await show(film, overrides)).pictures[0]!.at(0.5, 0.5), RED);
});

test.each<[string, string, string[], Partial<SourceConfig>]>([
  ["MJPEG", "jpeg.avi", ["-c:v", "mjpeg", "-q:v", "1", "-pix_fmt", "yuvj420p"], {}],
  ["RGB", "rgb.mkv", ["-c:v", "libx264rgb", "-qp", "1"], {}],
  ["RGB, whatever is said of it,", "rgb.mkv", ["-c:v", "ffv1", "-pix_fmt", "gbrp"], { colorMatrix: "bt709" }],
])("%s in HD is what its standard says", async (_name, name, codec, overrides) => {
  ffmpeg("-f", "lavfi", "-i", "color=0xC81E1E:size=1280x720:rate=5,format=gbrp", "-frames:v", "1", ...codec, at(name));
  near((await show(at(name), overrides)).pictures[0]!.at(0.5, 0.5), RED);
});

test("a picture counts as HD as players count, upright or turned", () => {
  const sizes = [
    [1280, 720],
    [720, 1280],
    [1024, 576],
    [576, 1024],
    [960, 720],
    [1280, 200],
    [720, 576],
  ] as const;
  expect(sizes.map(([width, height]) => isHighDefinition({ width, height }))).toEqual([
    ...[true, true, false, false, true, true, false],
  ]);
});

test("what ffmpeg says of its pictures is read, and stands among no one's words", () => {
  const shapes: Shape[] = [];
  const stderrTail = new StderrTail((text) => text);
  stderrTail.shapes = new ShapeReader((shape) => shapes.push(shape));
  stderrTail.write(
    "[warning] 20971760.000000\n[warning] 1.333333\n[warning] 20971760.000000\n[error] 12 is no number\n",
  );
  stderrTail.write("[Eval @ 0x55] [warning] 47186496.000000\n[Eval @ 0x55] [warning] 1.777778\n");
  expect(shapes).toEqual([
    { width: 320, height: 240, aspect: 1.333333 },
    { width: 720, height: 576, aspect: 1.777778 },
  ]);
  expect(stderrTail.lines()).toEqual(["12 is no number"]);
});

const shape = (width: number, height: number, aspect = width / height): Shape => ({ width, height, aspect });
/** Of a live stream of 320x240 that does not say how its colours are coded. */
const PLAN: DecodePlan = {
  layout: frameLayout(320, 240, undefined, { fit: "stretch", inputWidth: 32, inputHeight: 32 }),
  ...{ address: "", inputOptions: [], filter: "", finite: false, untimed: false },
  ...{ aspect: 4 / 3, highDefinition: false },
};

/** What comes of shapes that follow each other, once the time for it is over. */
async function reshaped(shapes: readonly Shape[], begunFor?: string, plan = PLAN): Promise<string[]> {
  const told: string[] = [];
  const onAnew = (name: string) => told.push(`anew: ${name}`);
  const onNote = (note: string) => told.push(note);
  const reshape = new Reshape({ plan, begunFor, reshapeMs: 30, onAnew, onNote });
  for (const each of shapes) reshape.look(each);
  await new Promise((resolve) => setTimeout(resolve, 80));
  for (const each of shapes) reshape.look(each);
  reshape.end();
  return told;
}

test("a live stream begins anew for other proportions and for HD, once, and for nothing else", async () => {
  expect(await reshaped([shape(320, 240), shape(480, 480)])).toEqual(["anew: 480x480"]);
  expect(await reshaped([shape(320, 240), shape(640, 480), shape(321, 240)])).toEqual([]);
  expect(await reshaped([shape(320, 240), shape(1440, 1080)])).toEqual(["anew: 1440x1080"]);
  expect(await reshaped([shape(320, 240), shape(320, 240, 16 / 9)])).toEqual([
    "anew: 320x240 with pixels that are not square (1.778:1)",
  ]);
});

test("nor does it begin anew for proportions that go by, nor twice for the same", async () => {
  expect(await reshaped([shape(320, 240), shape(480, 480), shape(320, 240)])).toEqual([]);
  expect(await reshaped([shape(480, 480)])).toEqual(["anew: 480x480"]);
  expect(await reshaped([shape(480, 480)], "480x480")).toEqual([]);
});

test("what cannot begin anew, or would be the same again, is said once", async () => {
  const changes = [shape(320, 240), shape(480, 480), shape(320, 240)];
  expect(await reshaped(changes, undefined, { ...PLAN, finite: true })).toEqual([
    "its picture is now 480x480, and set, with grey beside it, into the frame of 320x240",
  ]);
  const { aspect: _, ...any } = PLAN;
  expect(await reshaped(changes, undefined, any)).toEqual([
    "its picture is now 480x480, and stretched to the frame of 320x240",
  ]);
});
