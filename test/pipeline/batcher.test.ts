import { setTimeout as sleep } from "node:timers/promises";
import { defer, finalize, lastValueFrom, mergeMap } from "rxjs";
import { afterEach, expect, test } from "vitest";
import type { Frame } from "../../src/frame.js";
import { type Batcher, type BatcherOptions, createBatcher } from "../../src/pipeline/index.js";
import { ffmpeg, isRunning, type Opened, open, temporaryFolder, until } from "./helpers.js";

const folder = temporaryFolder();
const small = { width: 160, height: 120 };
const opened: Opened[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map(({ source }) => source.stop()));
});

function film(name: string, frames: number, size = "160x120"): string {
  const path = `${folder}/${name}.mkv`;
  ffmpeg("-f", "lavfi", "-i", `testsrc2=size=${size}:rate=30`, "-frames:v", String(frames), "-c:v", "mpeg4", path);
  return path;
}

function start(...args: Parameters<typeof open>): Opened {
  const one = open(...args);
  opened.push(one);
  return one;
}

const batcherOf = (sources: Opened[], options: Partial<BatcherOptions> = {}): Batcher<Opened> =>
  createBatcher(sources, { maxBatch: 8, maxWaitMs: 20, ...options });

/** Takes every batch as it comes; the next may come when `handle` is done. Resolves at the end. */
const takeAll = (batcher: Batcher<Opened>, handle: (frames: readonly Frame[]) => Promise<void>): Promise<void> =>
  lastValueFrom(
    batcher.batches$.pipe(
      mergeMap(({ frames, done }) => defer(() => handle(frames.map(({ frame }) => frame))).pipe(finalize(done))),
    ),
    { defaultValue: undefined },
  );

/** Settles frames as an explainer would. */
function settle(frames: readonly Frame[]): void {
  for (const frame of frames) {
    frame.release();
    opened.find((o) => o.source.name === frame.source)!.ledger.explained();
  }
}

test("films come whole, each in its order, in batches no larger than allowed, and then it is over", async () => {
  const sources = [
    start({ name: "a", url: film("a", 90) }),
    start({ name: "b", url: film("b", 40, "320x180") }),
    start({ name: "c", url: film("c", 7) }),
  ];
  const batcher = batcherOf(sources, { maxBatch: 5 });
  const seen: Record<string, number[]> = { a: [], b: [], c: [] };
  let most = 0;
  let inFlight = 0;
  let mostInFlight = 0;
  await takeAll(batcher, async (frames) => {
    mostInFlight = Math.max(mostInFlight, ++inFlight);
    most = Math.max(most, frames.length);
    for (const frame of frames) seen[frame.source]!.push(frame.sequence);
    await sleep(5);
    settle(frames);
    inFlight--;
  });
  const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);
  expect(seen).toEqual({ a: upTo(90), b: upTo(40), c: upTo(7) });
  // How many wait when a batch is formed is for the machine to say.
  expect(most).toBeLessThanOrEqual(5);
  expect(most).toBeGreaterThan(1);
  expect(mostInFlight).toBeLessThanOrEqual(2);
  for (const { ledger } of sources) expect(ledger.snapshot()).toMatchObject({ dropped: {}, inFlight: 0 });
  expect(batcher.sources).toEqual([]);
});

test("no source is starved by fast ones, and a silent one is not waited for", async () => {
  const silent = start({ name: "silent", url: "tcp://127.0.0.1:9" });
  const sources = [
    start({ name: "fast", url: "bottles.mp4" }),
    start({ name: "alsofast", url: "bottles.mp4" }),
    start({ name: "camera", url: "testsrc", ...small, fps: 20 }),
    silent,
  ];
  const batcher = batcherOf(sources, { maxBatch: 2, inFlight: 1 });
  const counts: Record<string, number> = { fast: 0, alsofast: 0, camera: 0 };
  let batches = 0;
  let lead = 0;
  let stopping: Promise<void> | undefined;
  await until(() => sources.slice(0, 3).every((s) => s.source.queued > 0), "all three run");
  await takeAll(batcher, async (frames) => {
    batches++;
    // On a busy machine one of the films may have none at times.
    const bothWait = sources.slice(0, 2).every((s) => s.source.queued > 0);
    for (const { source } of frames) {
      counts[source]!++;
      if (bothWait && source !== "camera") lead += source === "fast" ? 1 : -1;
    }
    await sleep(10);
    settle(frames);
    if (counts.camera! >= 10) stopping ??= batcher.stop(5000);
  });
  await stopping;
  // In turn: of two films that both have frames each gets the same.
  expect(Math.abs(lead)).toBeLessThanOrEqual(12);
  expect(Math.min(counts.fast!, counts.alsofast!)).toBeGreaterThan(0);
  expect(counts.camera).toBeGreaterThanOrEqual(10);
  expect(batches).toBeGreaterThan(10);
  expect(silent.ledger.snapshot().captured).toBe(0);
});

test("live frames that waited too long are counted as stale and enter no batch", async () => {
  const camera = start({ name: "camera", url: "testsrc", ...small, fps: 25 });
  await until(() => camera.source.queued === 2, "frames are queued");
  process.kill(camera.source.pid!, "SIGSTOP");
  await sleep(600);
  const resumed = performance.now();
  const received: number[] = [];
  const batcher = batcherOf([camera]);
  let stopping: Promise<void> | undefined;
  const over = takeAll(batcher, async (frames) => {
    received.push(...frames.map((frame) => frame.receivedAt));
    settle(frames);
    if (received.length >= 5) stopping ??= batcher.stop(2000);
  });
  await sleep(50);
  process.kill(camera.source.pid!, "SIGCONT");
  await over;
  await stopping;
  // Both that had waited are left out, whatever else is where the machine is slow.
  expect(Math.min(...received)).toBeGreaterThan(resumed);
  const { dropped, inFlight } = camera.ledger.snapshot();
  expect(dropped.stale).toBeGreaterThanOrEqual(2);
  expect(inFlight).toBe(0);
});

test("frames of a film are never stale", async () => {
  const one = start({ name: "film", url: film("patient", 20) }, { slabs: 6 });
  await until(() => one.source.isFull, "it is full");
  await sleep(700);
  await takeAll(batcherOf([one]), async (frames) => settle(frames));
  expect(one.ledger.snapshot()).toMatchObject({ captured: 20, explained: 20, dropped: {} });
});

test("sources come and go while it runs, their processes too", async () => {
  const camera = start({ name: "first", url: "testsrc", ...small });
  const batcher = batcherOf([camera], { endless: () => true });
  const seen = new Set<string>();
  const over = takeAll(batcher, async (frames) => {
    for (const frame of frames) seen.add(frame.source);
    settle(frames);
  });
  await until(() => seen.has("first"), "the first is seen");
  const second = start({ name: "second", url: "testsrc", ...small });
  batcher.add(second);
  expect(() => batcher.add(second)).toThrow("there is a source second already");
  await until(() => seen.has("second"), "the second is seen");
  const pid = camera.source.pid!;
  await batcher.remove(camera);
  expect(isRunning(pid)).toBe(false);
  await until(() => batcher.sources.length === 1, "the first is forgotten");
  await batcher.remove(camera);
  await batcher.remove(second);
  await until(() => batcher.sources.length === 0, "none is left");
  start({ name: "third", url: film("third", 3) });
  batcher.add(opened.at(-1)!);
  await until(() => seen.has("third"), "a film is seen");
  await batcher.stop(2000);
  await over;
  for (const { ledger } of opened) expect(ledger.snapshot().inFlight).toBe(0);
});

test("on stop what films had queued is delivered, what cameras had queued counts as shutdown", async () => {
  const long = start({ name: "film", url: "bottles.mp4" }, { slabs: 8 });
  const camera = start({ name: "camera", url: "testsrc", ...small });
  const batcher = batcherOf([long, camera], { maxBatch: 2, inFlight: 1 });
  let handled = 0;
  let stopping: Promise<void> | undefined;
  await takeAll(batcher, async (frames) => {
    handled += frames.length;
    await sleep(20);
    settle(frames);
    if (handled <= 20 || stopping !== undefined) return;
    // While this batch is in hand no other is made: what is queued now is so until the camera has ended.
    await until(() => camera.source.queued > 0, "the camera has a frame queued");
    stopping = batcher.stop(5000);
    await until(() => camera.source.isFinished, "the camera has ended");
  });
  await stopping;
  const { captured, explained, dropped, inFlight } = long.ledger.snapshot();
  expect({ explained, dropped, inFlight }).toEqual({ explained: captured, dropped: {}, inFlight: 0 });
  const last = camera.ledger.snapshot();
  expect(last.dropped.shutdown).toBeGreaterThanOrEqual(1);
  const { shutdown, ...before } = last.dropped;
  const outdated = Object.entries(before).reduce((sum, [, count]) => sum + count, 0);
  expect(Object.keys(before).filter((reason) => reason !== "newer-frame" && reason !== "stale")).toEqual([]);
  expect(last.captured).toBe(last.explained + last.classified + outdated + shutdown!);
  expect(last.inFlight).toBe(0);
});

test("after the deadline the rest counts as shutdown, and stop resolves though nobody takes", async () => {
  const one = start({ name: "film", url: "bottles.mp4" }, { slabs: 5 });
  const batcher = batcherOf([one]);
  await until(() => one.source.isFull, "it is full");
  await batcher.stop(100);
  expect(one.ledger.snapshot()).toMatchObject({ captured: 5, dropped: { shutdown: 5 }, inFlight: 0 });
});
