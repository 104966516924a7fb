import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { filterGraph } from "../../src/ffmpeg/filters.js";
import { frameLayout } from "../../src/frame.js";

/** Times of the frames that a rate limit lets through, in seconds. */
function through(rate: number, seconds: number, fps: number, live: boolean, times = "PTS"): number[] {
  const layout = frameLayout(16, 16, undefined, { fit: "stretch", inputWidth: 8, inputHeight: 8 });
  const source = `testsrc2=size=16x16:rate=${rate}:d=${seconds},setpts='${times}'`;
  const args = ["-v", "error", "-nostdin", "-f", "lavfi", "-copyts", "-i", source];
  args.push(
    "-filter_complex",
    filterGraph({ layout, view: { ...layout, fit: "stretch" }, fps, live }),
    "-map",
    "[out]",
  );
  args.push("-fps_mode", "passthrough", "-f", "null", "-");
  const { output, status } = spawnSync("ffmpeg", args, { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  expect(status).toBe(0);
  return [...output[3]!.toString().matchAll(/pts:(-?\d+)/g)].map((match) => Number(match[1]) / 1e6);
}

test.each([
  [25, 0.5, [0, 2, 4, 6, 8]],
  [10, 0.5, [0, 2, 4, 6, 8]],
  [30, 1, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
])("of a film of %d frames a second, %d a second are taken with even gaps from the first", (rate, fps, times) => {
  expect(through(rate, 10, fps, false)).toEqual(times);
});

test.each([
  [25, 10],
  [30, 10],
  [30, 25],
  [30, 60],
])("of a film of %d frames a second, no more and no less than %d a second are taken", (rate, fps) => {
  expect(through(rate, 10, fps, false)).toHaveLength(10 * Math.min(rate, fps));
});

/** Each twentieth picture is stamped so many seconds away. */
const outliers = (by: number): string => `if(eq(mod(N,20),14),PTS+${by}/TB,PTS)`;

test.each([-9800, 9800, -1, 2])("pictures that are stamped %d s away let no more through", (by) => {
  expect(through(10, 20, 5, true, outliers(by))).toHaveLength(100);
});

test.each([
  [-3, 100],
  [3, 101],
  [3600, 101],
])("a clock that is set by %d s lets at most one more through", (by, frames) => {
  expect(through(10, 20, 5, true, `if(gt(N,99),PTS+${by}/TB,PTS)`)).toHaveLength(frames);
});

test("a camera with jitter keeps its full rate", () => {
  const frames = through(10, 20, 10, true, "PTS+(mod(N*7,11)/11-0.5)*0.08/TB");
  expect(frames.length).toBeGreaterThan(190);
});

test("of a camera that is silent for half a minute between seconds of pictures, each second shows", () => {
  const frames = through(10, 10, 0.1, true, "PTS+floor(N/10)*30/TB");
  expect(new Set(frames.map((t) => Math.floor(t / 31))).size).toBe(10);
});

test("a camera slower than the limit loses nothing", () => {
  expect(through(1, 10, 1, true, "PTS*10")).toHaveLength(10);
});
