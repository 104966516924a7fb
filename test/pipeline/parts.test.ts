import fc from "fast-check";
import { expect, test } from "vitest";
import { backoff } from "../../src/pipeline/backoff.js";
import { CaptureClock } from "../../src/pipeline/clock.js";
import { FrozenWatch } from "../../src/pipeline/frozen.js";
import { splitOptions } from "../../src/pipeline/plan.js";
import { SlabPool } from "../../src/pipeline/slabs.js";
import { TimeStamps } from "../../src/pipeline/timestamps.js";
import { isAtLeast, parseVersion } from "../../src/pipeline/tools.js";
import { LastWords, parseWord } from "../../src/pipeline/words.js";

test("time stamps are read whole, however the pipe cuts them", () => {
  const times = fc.array(fc.integer({ min: -1e6, max: 1e15 }), { maxLength: 40 });
  fc.assert(
    fc.property(times, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (micros, cuts) => {
      const text = micros.map(
        (t, i) => `frame:${String(i).padEnd(4)} pts:${String(t).padEnd(7)} pts_time:${t / 1e6}\nframe=1\n`,
      );
      const read: number[] = [];
      const stamps = new TimeStamps((t) => read.push(t));
      const all = text.join("");
      for (let at = 0, i = 0; at < all.length; i++) {
        const size = cuts[i % cuts.length]!;
        stamps.add(all.slice(at, at + size));
        at += size;
      }
      expect(read).toEqual(micros.map((t) => t / 1e6));
    }),
  );
});

test("a picture without a time is told apart", () => {
  const read: number[] = [];
  new TimeStamps((t) => read.push(t)).add("frame:0    pts:NOPTS   pts_time:NOPTS\nframe=1\n");
  expect(read).toEqual([Number.NaN]);
});

test("a live clock never shows a time to come, never runs backwards, and follows a jump", () => {
  const arrivals = fc.array(fc.tuple(fc.integer({ min: 0, max: 200 }), fc.double({ min: -1, max: 1, noNaN: true })));
  fc.assert(
    fc.property(arrivals, (steps) => {
      const clock = new CaptureClock(true);
      let now = 1_000_000;
      let pts = 0;
      let last = Number.NEGATIVE_INFINITY;
      for (const [gap, jitter] of steps) {
        now += gap;
        pts += gap / 1000 + jitter / 100;
        const at = clock.stamp(pts, now);
        expect(at).toBeGreaterThanOrEqual(last);
        expect(at).toBeLessThanOrEqual(now);
        last = at;
      }
    }),
  );
  const clock = new CaptureClock(true);
  clock.stamp(100, 1000);
  expect(clock.stamp(5, 2000)).toBe(2000);
  expect(clock.stamp(5.5, 2600)).toBe(2500);
});

test("a film's clock is the first frame's wall clock plus its own time", () => {
  const clock = new CaptureClock(false);
  expect(clock.stamp(2, 10_000)).toBe(10_000);
  expect(clock.stamp(3.5, 10_001)).toBe(11_500);
  expect(clock.stamp(4.5, 60_000)).toBe(12_500);
});

test("a picture is frozen once it was the same for long enough, and no longer when it changes", () => {
  const watch = new FrozenWatch(5000);
  const picture = new Uint8Array(1000).fill(7);
  expect(watch.look(picture, 0)).toBe(false);
  for (let t = 40; t < 5000; t += 40) expect(watch.look(picture, t)).toBe(false);
  expect(watch.look(picture, 5600)).toBe(true);
  const changed = picture.slice();
  changed[999] = 8;
  expect(watch.look(changed, 6200)).toBe(false);
  expect(watch.look(changed, 11_900)).toBe(true);
});

test("delays grow from 1 s to 60 s and spread by a fifth", () => {
  const middle = () => 0.5;
  const delays = Array.from({ length: 23 }, (_, i) => backoff(i, middle) / 1000);
  expect(delays).toEqual([...Array(5).fill(1), ...Array(5).fill(5), ...Array(10).fill(10), 60, 60, 60]);
  fc.assert(
    fc.property(fc.nat(100), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
      const ratio = backoff(attempt, () => random) / backoff(attempt, middle);
      expect(ratio).toBeGreaterThanOrEqual(0.8 - 1e-9);
      expect(ratio).toBeLessThanOrEqual(1.2 + 1e-9);
    }),
  );
});

test("a pool never makes more slabs than its limit, uses them again, and notices a second release", () => {
  const pool = new SlabPool(100, 3);
  const first = pool.acquire()!;
  pool.release(first);
  expect(pool.acquire()).toBe(first);
  pool.acquire();
  pool.acquire();
  expect(pool.acquire()).toBeUndefined();
  expect(pool.allocated).toBe(3);
  pool.release(first);
  expect(() => pool.release(first)).toThrow("A frame was released twice");
});

test("ffmpeg's words lose addresses in memory and noise, and its complaints become part of a sentence", () => {
  expect(parseWord("[mov,mp4 @ 0x55cf6ccc59c0] [error] moov atom not found")).toEqual({
    level: "error",
    text: "[mov,mp4] moov atom not found",
  });
  expect(
    parseWord("[swscaler @ 0x5] [swscaler @ 0x6] [warning] deprecated pixel format used, make sure"),
  ).toBeUndefined();
  const words = new LastWords((text) => text.replace("s3cret", "***"), 3);
  for (let i = 0; i < 5; i++) words.add(`[h264 @ 0x1] [error] error while decoding MB ${i}`);
  words.add("[error] rtsp://a:s3cret@b: Connection refused");
  expect(words.lines()).toHaveLength(3);
  expect(words.summary()).toBe("error while decoding MB 4; Connection refused");
});

test.each([
  ["ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026", 5, 1],
  ["ffmpeg version n7.1 Copyright", 7, 1],
  ["ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright", 4, 4],
  ["ffmpeg version N-118000-gabcdef Copyright", 99, 0],
])("the version in '%s' is read", (text, major, minor) => {
  expect(parseVersion(text)).toEqual({ major, minor });
});

test("versions compare by major, then minor", () => {
  expect(isAtLeast({ major: 5, minor: 0 }, 5, 1)).toBe(false);
  expect(isAtLeast({ major: 5, minor: 1 }, 5, 1)).toBe(true);
  expect(isAtLeast({ major: 6, minor: 0 }, 5, 1)).toBe(true);
});

test("options may be written apart or together, and values keep their spaces", () => {
  expect(splitOptions(["-rtsp_flags prefer_tcp", "-user_agent", "My Agent", "-headers X-A: b c"])).toEqual([
    "-rtsp_flags",
    "prefer_tcp",
    "-user_agent",
    "My Agent",
    "-headers",
    "X-A: b c",
  ]);
});
