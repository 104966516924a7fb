import fc from "fast-check";
import { expect, test } from "vitest";
import { backoff } from "../../src/backoff.js";
import { parseLogLine, StderrTail } from "../../src/ffmpeg/log-lines.js";
import { outputOptions } from "../../src/ffmpeg/output.js";
import { TimeStamps } from "../../src/ffmpeg/timestamps.js";
import { isAtLeast, parseVersion, supported } from "../../src/ffmpeg/version.js";
import { FrozenWatch } from "../../src/pipeline/frozen.js";
import { splitOptions } from "../../src/pipeline/plan.js";
import { SlabPool } from "../../src/pipeline/slabs.js";
import { sourceKind } from "../../src/pipeline/sources/registry.js";
import { rtsp } from "../../src/pipeline/sources/rtsp.js";
import { limitsOf, RECONNECT, TIMING } from "../../src/pipeline/timing.js";
import { config } from "./helpers.js";

const GIT = { major: 99, minor: 0 };

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

test("all limits are those of a silence of 10 s, and grow with the silence that is allowed", () => {
  expect(limitsOf(10, TIMING)).toEqual({ stallMs: 10_000, connectMs: 20_000, probeMs: 20_000, frozenMs: 5000 });
  expect(limitsOf(2, TIMING)).toEqual({ ...limitsOf(10, TIMING), stallMs: 2000 });
  expect(limitsOf(60, TIMING)).toEqual({ stallMs: 60_000, connectMs: 120_000, probeMs: 120_000, frozenMs: 30_000 });
});

test.each(["rtsp://camera/x", "http://camera/x", "udp://239.0.0.1:5000", "tcp://camera:5000"])(
  "ffmpeg never gives up %s before its own limit is over",
  (url) => {
    for (const stallSeconds of [0.5, 10, 15, 60, 3600]) {
      const camera = config({ url, stallSeconds });
      const options = sourceKind("belt", url, "/").inputOptions(camera, GIT);
      const silences = options.flatMap((option, i) => (/timeout$/.test(option) ? [Number(options[i + 1])] : []));
      expect(silences.length).toBeGreaterThan(0);
      // Of an hour, what ffmpeg counts to.
      const least = Math.min(stallSeconds * 1.1e6, 2 ** 31 - 1);
      for (const silence of silences) expect(silence).toBeGreaterThanOrEqual(Math.max(least, 10e6));
    }
  },
);

test("delays grow from 1 s to 60 s and spread by a fifth", () => {
  const middle = () => 0.5;
  const delays = Array.from({ length: 23 }, (_, i) => backoff(i, RECONNECT, middle) / 1000);
  expect(delays).toEqual([...Array(5).fill(1), ...Array(5).fill(5), ...Array(10).fill(10), 60, 60, 60]);
  fc.assert(
    fc.property(fc.nat(100), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
      const ratio = backoff(attempt, RECONNECT, () => random) / backoff(attempt, RECONNECT, middle);
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
  expect(pool.acquire()).toBeDefined();
  expect(pool.acquire()).toBeDefined();
  expect(pool.acquire()).toBeUndefined();
  pool.release(first);
  expect(() => pool.release(first)).toThrow("a frame was released twice");
});

test("what ffmpeg says of its raw output to us is no fault of what it reads", () => {
  const ours = [
    "[rawvideo @ 0x55] [error] Application provided invalid, non monotonically increasing dts to muxer in stream 0: 9 >= 1",
    "[vost#0:0/rawvideo @ 0x55] [error] Non-monotonic DTS; previous: 2, current: 1",
    "[out#0/rawvideo @ 0x55] [error] Error muxing a packet",
  ];
  const stderrTail = new StderrTail((text) => text);
  for (const line of ours) stderrTail.add(line);
  expect(stderrTail.inputSummary()).toBeNull();
  expect(stderrTail.summary()).toContain("Error muxing a packet");
  // The decoder of raw pictures has the same name as their muxer.
  stderrTail.add("[rawvideo @ 0x55] [error] Invalid buffer size, packet size 100 < expected frame_size 57600");
  stderrTail.add("[h264 @ 0x55] [error] error while decoding MB 4 5");
  expect(stderrTail.inputSummary()).toMatch(/^Invalid buffer size.*; error while decoding MB 4 5$/);
});

test("a far end that has ffmpeg write nothing but brackets does not keep this program busy", () => {
  const stderrTail = new StderrTail((text) => text);
  // Half a minute of all that is read of its lines: looked through from each bracket on to the line's end, it takes as long.
  for (let i = 0; i < 5000; i++) stderrTail.add(`[error] ${"[".repeat(4000)}`);
  expect(stderrTail.lines()).toHaveLength(100);
  // The same of the sentence that is made of the last lines.
  for (let i = 0; i < 100; i++) stderrTail.add(`[error] [${"a".repeat(4000)}`);
  for (let i = 0; i < 100; i++) stderrTail.summary();
  expect(stderrTail.summary()).toMatch(/^\[a+$/);
});

test("ffmpeg's lines lose addresses in memory and noise, and its complaints become part of a sentence", () => {
  expect(parseLogLine("[mov,mp4 @ 0x55cf6ccc59c0] [error] moov atom not found")).toEqual({
    level: "error",
    text: "[mov,mp4] moov atom not found",
  });
  expect(
    parseLogLine("[swscaler @ 0x5] [swscaler @ 0x6] [warning] deprecated pixel format used, make sure"),
  ).toBeUndefined();
  const stderrTail = new StderrTail((text) => text.replace("s3cret", "***"), 3);
  for (let i = 0; i < 5; i++) stderrTail.add(`[h264 @ 0x1] [error] error while decoding MB ${i}`);
  stderrTail.add("[error] rtsp://a:s3cret@b: Connection refused");
  expect(stderrTail.lines()).toHaveLength(3);
  expect(stderrTail.summary()).toBe("error while decoding MB 4; Connection refused");
});

test.each([
  ["ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026", 5, 1],
  ["ffmpeg version n7.1 Copyright", 7, 1],
  ["ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright", 4, 4],
  ["ffmpeg version 5.0.1 Copyright", 5, 0],
  ["ffmpeg version 6.1.1-3ubuntu5 Copyright", 6, 1],
  ["ffmpeg version n8.0-16-gd8605a6b55-20250923 Copyright", 8, 0],
  ["ffmpeg version 7.0.2-static https://johnvansickle.com/ffmpeg/  Copyright", 7, 0],
  ["ffmpeg version N-118000-gabcdef Copyright", 99, 0],
  ["ffmpeg version 2024-05-06-git-96449cfeae-full_build-www.gyan.dev Copyright", 99, 0],
])("the version in '%s' is read", (text, major, minor) => {
  expect(parseVersion(text)).toEqual({ major, minor });
});

test("versions compare by major, then minor", () => {
  expect(isAtLeast({ major: 5, minor: 0 }, 5, 1)).toBe(false);
  expect(isAtLeast({ major: 5, minor: 1 }, 5, 1)).toBe(true);
  expect(isAtLeast({ major: 6, minor: 0 }, 5, 1)).toBe(true);
});

test.each([
  ["4.4", { major: 4, minor: 4 }, "-vsync", "-stimeout"],
  ["5.0", { major: 5, minor: 0 }, "-vsync", "-timeout"],
  ["5.1", { major: 5, minor: 1 }, "-fps_mode", "-timeout"],
  ["6.1", { major: 6, minor: 1 }, "-fps_mode", "-timeout"],
  ["7.1", { major: 7, minor: 1 }, "-fps_mode", "-timeout"],
  ["8.0", { major: 8, minor: 0 }, "-fps_mode", "-timeout"],
  ["a build from git", GIT, "-fps_mode", "-timeout"],
])("options that were renamed are told to ffmpeg %s as it calls them", (_name, version, rate, silence) => {
  expect(outputOptions(version).slice(0, 2)).toEqual([rate, "passthrough"]);
  const options = rtsp.inputOptions(config({ url: "rtsp://camera/stream" }), version);
  expect(options.filter((option) => option.endsWith("timeout"))).toEqual([silence]);
});

test("all other options before the input are the same for every version", () => {
  const urls = ["/dev/video0", "http://camera/live.m3u8", "udp://239.0.0.1:5000", "rtmp://host/app", "testsrc"];
  for (const url of urls) {
    const camera = config({ url, fps: 10, width: 64, height: 48 });
    const { inputOptions } = sourceKind("belt", url, "/");
    expect(inputOptions(camera, { major: 4, minor: 4 })).toEqual(inputOptions(camera, GIT));
  }
});

test("an ffmpeg that is too old is refused in one sentence", () => {
  expect(() => supported({ major: 4, minor: 2 }, "/opt/ffmpeg")).toThrow(
    "ffmpeg (/opt/ffmpeg) is of version 4.2, and 4.3 or newer is needed; install one, or set FFMPEG_PATH",
  );
  expect(supported({ major: 4, minor: 3 }, "ffmpeg")).toEqual({ major: 4, minor: 3 });
  expect(supported(GIT, "ffmpeg")).toBe(GIT);
});

test.each([
  [
    "5.1",
    [
      "[tcp @ 0x1] [error] Connection to tcp://h:9?timeout=1 failed: Connection refused",
      "[error] rtsp://h:9/x: Connection refused",
    ],
    "Connection to tcp://h:9?timeout=1 failed: Connection refused",
  ],
  [
    "7 and 9",
    [
      "[tcp @ 0x1] [error] Connection to tcp://h:9?timeout=1 failed: Connection refused",
      "[in#0 @ 0x2] [error] Error opening input: Connection refused",
      "[error] Error opening input file rtsp://h:9/x.",
      "[fatal] Error opening input files: Connection refused",
    ],
    "Connection to tcp://h:9?timeout=1 failed: Connection refused",
  ],
  [
    "9, without hardware",
    [
      "[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x2] [error] No device available for decoder: device type vaapi needed for codec h264.",
      "[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x2] [error] Hardware device setup failed for decoder: Generic error",
      "[fc#0 @ 0x3] [error] Error binding an input stream to complex filtergraph input scale:default.",
      "[fatal] Error binding filtergraph inputs/outputs: Generic error",
    ],
    "No device available for decoder: device type vaapi needed for codec h264; Hardware device setup failed for decoder: Generic error",
  ],
  [
    "9, whose decoder takes nothing",
    [
      "[libdav1d @ 0x1] [error] Unknown OBU type 0 of size 473",
      "[vf#0:0 @ 0x2] [error] Cannot determine format of input 0:0 after EOF",
      "[vf#0:0 @ 0x2] [error] Task finished with error code: -1094995529 (Invalid data found when processing input)",
      "[vf#0:0 @ 0x2] [error] Terminating thread with return code -1094995529 (Invalid data found when processing input)",
      "[vost#0:0/rawvideo @ 0x3] [enc:rawvideo @ 0x4] [error] Could not open encoder before EOF",
      "[out#0/rawvideo @ 0x5] [error] Nothing was written into output file, because at least one of its streams received no packets.",
    ],
    "Unknown OBU type 0 of size 473",
  ],
  [
    "7, which says no more",
    ["[error] Error opening input file x.", "[fatal] Error opening input files: Invalid argument"],
    "Invalid argument",
  ],
])("the cause is found in the complaints of ffmpeg %s", (_version, lines, summary) => {
  const stderrTail = new StderrTail((text) => text);
  for (const line of lines) stderrTail.add(line);
  expect(stderrTail.summary()).toBe(summary);
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
