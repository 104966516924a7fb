import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { filterGraph } from "../../src/ffmpeg/filters.js";
import type { Interpolation, ModelView } from "../../src/fit.js";
import { frameLayout, modelRows } from "../../src/frame.js";
import { PictureMemory } from "../../src/pictures/memory.js";
import { readPicture } from "../../src/pictures/picture.js";
import { BOTTLES } from "../e2e/worker.js";
import { ffmpeg } from "../pipeline/helpers.js";
import { temporaryFolder } from "../support/folders.js";

const picture = join(temporaryFolder(), "frame.png");
beforeAll(() => {
  ffmpeg("-ss", "3", "-i", BOTTLES, "-frames:v", "1", picture);
});

const REGION = { x: 31, y: 17, width: 523, height: 301 };
const view = (interpolation: Interpolation, more: Partial<ModelView>): ModelView => ({
  ...{ inputWidth: 112, inputHeight: 112, fit: "crop", resampling: { interpolation, antialias: true } },
  ...more,
});

/**
 * Levels of 255 by which ffmpeg's filters differ from Pillow's on this frame, in the mean and at most: its bicubic filter
 * has another coefficient (0.6, not 0.5), and its `neighbor` takes the other of two pixels at ties.
 */
test.each<[string, ModelView, number, number]>([
  ["bilinear", view("bilinear", { resize: { width: 128, height: 128 } }), 0.3, 8],
  ["bicubic", view("bicubic", { resize: { width: 128, height: 128 } }), 0.6, 16],
  ["lanczos", view("lanczos", { fit: "stretch" }), 0.3, 10],
  ["bilinear, letterboxed", view("bilinear", { fit: "letterbox", fill: [124, 116, 104] }), 0.3, 8],
])("a frame of a film is seen as the same still picture is: %s", async (_, wanted, mean, most) => {
  const memory = new PictureMemory(0);
  const still = await readPicture(picture, picture, wanted, { memory, region: REGION });
  const { width, height } = still.layout;
  const layout = frameLayout(width, height, REGION, wanted);
  const raw = execFileSync(
    "ffmpeg",
    [
      ...["-v", "error", "-i", picture, "-filter_complex", filterGraph({ layout, region: REGION, view: wanted })],
      ...["-map", "[out]", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"],
    ],
    { maxBuffer: 1 << 26, stdio: ["ignore", "pipe", "inherit", "pipe"] },
  );
  const { offset, stride } = modelRows(layout);
  const bytes = new Uint8Array(still.memory);
  let [sum, worst] = [0, 0];
  for (let y = 0; y < 112; y++)
    for (let k = 0; k < 336; k++) {
      const at = offset + y * stride + k;
      const off = Math.abs(raw[at]! - bytes[at]!);
      sum += off;
      worst = Math.max(worst, off);
    }
  expect(sum / (112 * 336)).toBeLessThan(mean);
  expect(worst).toBeLessThanOrEqual(most);
});
