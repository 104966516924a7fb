import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Frame } from "../../src/frame.js";
import { ffmpeg, open, pixel, pull, temporaryFolder, until } from "./helpers.js";

const folder = temporaryFolder();

/** CPU ticks that a process has used. */
function ticks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

test("a slow consumer pauses ffmpeg, gets every frame in order, and no more slabs than allowed are made", async () => {
  const { source, ledger } = open({ url: "bottles.mp4" }, { slabs: 4 });
  await until(() => source.isFull, "all slabs are full");
  await sleep(300);
  const pid = source.pid!;
  const before = ticks(pid);
  await sleep(700);
  expect(ticks(pid) - before).toBeLessThanOrEqual(2);
  expect(ledger.snapshot().captured).toBe(4);
  expect(source.status().state).toBe("live");
  let next = 0;
  const memories = new Set<SharedArrayBuffer>();
  await pull(source, async (frame) => {
    expect(frame.sequence).toBe(next++);
    memories.add(frame.memory);
    expect(ledger.inFlight).toBeLessThanOrEqual(4);
    if (next % 100 === 0) await sleep(20);
    frame.release();
    ledger.explained();
  });
  expect(next).toBe(1189);
  expect(memories.size).toBeLessThanOrEqual(4);
  expect(ledger.snapshot()).toMatchObject({ captured: 1189, explained: 1189, dropped: {}, inFlight: 0 });
}, 120_000);

test("a paused film is not taken for a silent one", async () => {
  const { source, ledger } = open(
    { url: "bottles.mp4", stallSeconds: 0.2 },
    { slabs: 3, timing: { tickMs: 50, connectMs: 200 } },
  );
  await until(() => source.isFull, "all slabs are full");
  await sleep(800);
  expect(source.status().state).toBe("live");
  await source.stop();
  expect(source.queued).toBe(3);
  source.discard("shutdown");
  expect(ledger.snapshot()).toMatchObject({ captured: 3, dropped: { shutdown: 3 }, inFlight: 0 });
});

test("a frame's picture stays as it is while it is held, whatever comes after it", async () => {
  ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=30", "-t", "2", "-c:v", "ffv1", `${folder}/held.mkv`);
  const { source } = open({ url: `${folder}/held.mkv` }, { slabs: 5 });
  const held: { frame: Frame; copy: Uint8Array }[] = [];
  let taken = 0;
  await pull(source, (frame) => {
    taken++;
    if (taken % 20 === 0) held.push({ frame, copy: new Uint8Array(frame.memory).slice() });
    else frame.release();
  });
  expect(taken).toBe(60);
  for (const { frame, copy } of held) {
    expect(Buffer.compare(new Uint8Array(frame.memory), copy)).toBe(0);
    frame.release();
  }
  expect(() => held[0]!.frame.release()).toThrow("released twice");
});

test("a live source never waits: the newest frames win, and every other one is counted", async () => {
  const { source, ledger } = open({ url: "testsrc", width: 160, height: 120, fps: 100 }, { slabs: 6 });
  const seen: number[] = [];
  await pull(source, async (frame) => {
    seen.push(frame.sequence);
    expect(source.queued).toBeLessThanOrEqual(2);
    frame.release();
    ledger.explained();
    await sleep(50);
    return seen.length < 20;
  });
  await source.stop();
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  const { captured, explained, dropped, inFlight } = ledger.snapshot();
  expect(explained).toBe(20);
  expect(dropped["newer-frame"]).toBeGreaterThan(0);
  expect(captured).toBe(explained + dropped["newer-frame"]! + (dropped.shutdown ?? 0));
  expect(inFlight).toBe(0);
  // All of the frames of that second and more were captured, not only those that were taken.
  expect(captured).toBeGreaterThan(60);
});

test("with every slab held by its taker a live source goes on, and counts what it lets go", async () => {
  const { source, ledger } = open({ url: "testsrc", width: 160, height: 120, fps: 50 }, { slabs: 3 });
  const held: Frame[] = [];
  await pull(source, (frame) => {
    held.push(frame);
    return held.length < 3;
  });
  await until(() => (ledger.snapshot().dropped["queue-full"] ?? 0) >= 10, "frames are let go");
  const before = ledger.snapshot();
  expect(before.captured).toBe(before.inFlight + before.dropped["queue-full"]!);
  for (const frame of held) {
    expect(pixel(frame, 0, 0)).toHaveLength(3);
    frame.release();
    ledger.explained();
  }
  let later: Frame | undefined;
  await pull(source, (frame) => {
    later = frame;
    return false;
  });
  expect(later!.sequence).toBeGreaterThanOrEqual(13);
  later!.release();
  ledger.explained();
  await source.stop();
  expect(ledger.snapshot().inFlight).toBe(0);
});

test("memory is flat over two thousand frames", async () => {
  const { source, ledger } = open({
    url: "testsrc",
    width: 320,
    height: 240,
    fps: 1000,
    policy: "every-frame",
    inputOptions: ["-readrate", "0"],
  });
  const samples: number[] = [];
  let taken = 0;
  await pull(source, (frame) => {
    frame.release();
    ledger.explained();
    taken++;
    if (taken >= 500 && taken % 250 === 0) {
      const { rss } = process.memoryUsage();
      samples.push(rss / 1e6);
    }
    return taken < 2000;
  });
  await source.stop();
  source.discard("shutdown");
  const first = Math.max(...samples.slice(0, 3));
  const last = Math.min(...samples.slice(-3));
  expect(last - first).toBeLessThan(40);
}, 60_000);
