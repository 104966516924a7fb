import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Rect, Rotation } from "../../src/frame.js";
import { planDecoding } from "../../src/pipeline/plan.js";
import { sourceSpec } from "../../src/pipeline/source-spec.js";
import { v4l2 } from "../../src/pipeline/sources/v4l2.js";
import { config, ffmpeg, open, pixel, pull, temporaryFolder, VIEW } from "./helpers.js";

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

/** Blue, 120x60, its upper left corner of 20x10 red. */
const CORNERED =
  "color=blue:120x60:d=0.1,format=gbrp[a];color=red:20x10:d=0.1,format=gbrp[b];[a][b]overlay=0:0:format=gbrp";
/** Size of the turned picture, and where its red corner comes to lie. */
const TURNED: [Rotation, string, Rect][] = [
  [0, "120x60", { x: 0, y: 0, width: 20, height: 10 }],
  [90, "60x120", { x: 50, y: 0, width: 10, height: 20 }],
  [180, "120x60", { x: 100, y: 50, width: 20, height: 10 }],
  [270, "60x120", { x: 0, y: 100, width: 10, height: 20 }],
];

const isRed = ([r, , b]: number[]): boolean => r! > 200 && b! < 50;
const isBlue = ([r, , b]: number[]): boolean => r! < 50 && b! > 200;
const inside = ({ x, y, width, height }: Rect): [number, number] => [x + width / 2, y + height / 2];

/** Frames are 120x60 before they are turned; red lies in this corner of them and nowhere else. */
function expectCorner(frame: Parameters<typeof pixel>[0], size: string, red: Rect): void {
  const { width, height } = frame.layout;
  expect(`${width}x${height}`).toBe(size);
  for (const [, , corner] of TURNED.filter(([, other]) => other === size)) {
    const colour = pixel(frame, ...inside(corner));
    expect(corner === red ? isRed(colour) : isBlue(colour)).toBe(true);
  }
  expect(isBlue(pixel(frame, width / 2, height / 2))).toBe(true);
}

test.each(TURNED)(
  "turned by %i degrees, a film's corner lies where a clock would take it",
  async (rotate, size, red) => {
    ffmpeg("-f", "lavfi", "-i", CORNERED, "-frames:v", "2", "-c:v", "ffv1", at(`corner-${rotate}.mkv`));
    let frames = 0;
    await pull(open({ url: at(`corner-${rotate}.mkv`), rotate }).source, (frame) => {
      expectCorner(frame, size, red);
      frames++;
      frame.release();
    });
    expect(frames).toBe(2);
  },
);

test.each(TURNED)("a region is cut of the picture that was turned by %i degrees", async (rotate, _size, red) => {
  ffmpeg("-f", "lavfi", "-i", CORNERED, "-frames:v", "1", "-c:v", "ffv1", at(`region-${rotate}.mkv`));
  const input = { inputWidth: red.width, inputHeight: red.height };
  let frames = 0;
  await pull(open({ url: at(`region-${rotate}.mkv`), rotate, region: red }, input).source, (frame) => {
    expect(frame.layout.placement.clip).toEqual(red);
    for (const x of [0, red.width - 1])
      for (const y of [0, red.height - 1]) expect(isRed(pixel(frame, x, y, "input"))).toBe(true);
    frames++;
    frame.release();
  });
  expect(frames).toBe(1);
});

test.each(TURNED)("a folder of pictures is turned by %i degrees", async (rotate, size, red) => {
  const pictures = at(`pictures-${rotate}`);
  mkdirSync(pictures);
  for (const name of ["a.png", "b.png"]) ffmpeg("-f", "lavfi", "-i", CORNERED, "-frames:v", "1", join(pictures, name));
  let frames = 0;
  await pull(open({ url: pictures, rotate }).source, (frame) => {
    expectCorner(frame, size, red);
    frames++;
    frame.release();
  });
  expect(frames).toBe(2);
});

test("width and height are of the turned picture, and one follows from the other", async () => {
  ffmpeg("-f", "lavfi", "-i", CORNERED, "-frames:v", "1", "-c:v", "ffv1", at("scaled.mkv"));
  const sizes: string[] = [];
  for (const wanted of [{ width: 30 }, { height: 60 }, { width: 40, height: 90 }]) {
    await pull(open({ url: at("scaled.mkv"), rotate: 90, ...wanted }).source, (frame) => {
      sizes.push(`${frame.layout.width}x${frame.layout.height}`);
      frame.release();
    });
  }
  expect(sizes).toEqual(["30x60", "30x60", "40x90"]);
});

test.each<[Rotation, { width?: number; height?: number }, string, string]>([
  [0, {}, "1280x720", "1280x720"],
  [90, {}, "720x1280", "1280x720"],
  [270, { width: 360 }, "360x640", "640x360"],
  [90, { height: 640 }, "360x640", "640x360"],
  [90, { width: 100, height: 300 }, "100x300", "300x100"],
  [180, { width: 100, height: 300 }, "100x300", "100x300"],
])("the test picture turned by %i degrees, with %j, is %s and made as %s", async (rotate, wanted, size, made) => {
  const spec = sourceSpec(config({ url: "testsrc", rotate, ...wanted }), folder);
  const { layout, address } = await planDecoding(spec, VIEW, { major: 7, minor: 1 }, { timeoutMs: 1000 });
  expect(`${layout.width}x${layout.height}`).toBe(size);
  expect(address).toContain(`size=${made}:`);
});

test("a camera whose size is configured is not looked at, and is asked for the size before it is turned", async () => {
  const camera = config({ url: "/dev/video63", rotate: 270, width: 480, height: 640 });
  expect(v4l2.inputOptions(camera, { major: 7, minor: 1 })).toContain("640x480");
  const stream = config({ url: "rtsp://127.0.0.1:9/none", rotate: 90, width: 480, height: 640 });
  for (const each of [camera, stream]) {
    const plan = await planDecoding(sourceSpec(each, folder), VIEW, { major: 7, minor: 1 }, { timeoutMs: 1000 });
    expect(`${plan.layout.width}x${plan.layout.height}`).toBe("480x640");
    const turn = each === camera ? "transpose=cclock" : "transpose=clock";
    expect(plan.filter).toMatch(new RegExp(`${turn},scale=w='[^']*\\+480':h='[^']*\\+640'`));
  }
});
