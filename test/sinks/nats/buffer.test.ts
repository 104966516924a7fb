import fc from "fast-check";
import { expect, it } from "vitest";
import type { OutMessage } from "../../../src/messages/message.js";
import { type PendingMessage, PublishBuffer } from "../../../src/sinks/nats/buffer.js";
import { message } from "../../support/sinks.js";

function bufferOf(limitBytes: number) {
  const dropped: OutMessage[] = [];
  const buffer = new PublishBuffer(limitBytes, {
    onQueued: () => undefined,
    onDropped: (lost) => dropped.push(lost),
  });
  return { buffer, dropped };
}
const sized = (sequence: number, bytes: number, whenFull: "wait" | "drop", source = "cam-1") =>
  message("summary", source, sequence, { body: Buffer.alloc(bytes), whenFull });

it("a message larger than the bound is taken when nothing else is held", async () => {
  const { buffer, dropped } = bufferOf(100);
  await buffer.enqueue(sized(0, 1000, "wait"));
  expect(buffer.size).toBe(1);
  await buffer.enqueue(sized(1, 10, "drop"));
  expect(dropped.map(({ sequence }) => sequence)).toEqual([1]);
});

it("a message that may be dropped never pushes out one that may not", async () => {
  const { buffer, dropped } = bufferOf(2000);
  await buffer.enqueue(sized(0, 1400, "wait"));
  await buffer.enqueue(sized(1, 1400, "drop"));
  expect(dropped.map(({ sequence }) => sequence)).toEqual([1]);
  expect(buffer.take()?.message.sequence).toBe(0);
});

it("what was handed out and not confirmed comes again first and in its old order", async () => {
  const { buffer } = bufferOf(1_000_000);
  for (let i = 0; i < 6; i++) await buffer.enqueue(sized(i, 10, i % 2 ? "drop" : "wait"));
  const taken = [buffer.take()!, buffer.take()!, buffer.take()!];
  buffer.confirm(taken[1]!);
  buffer.requeue();
  expect(buffer.uncertain().map(({ message: m }) => m.sequence)).toEqual([0, 2]);
  expect(Array.from({ length: 5 }, () => buffer.take()?.message.sequence)).toEqual([0, 2, 3, 4, 5]);
});

it("a message made smaller gives its room to who waits, and one that is gone stays gone", async () => {
  const { buffer, dropped } = bufferOf(3000);
  await buffer.enqueue(sized(0, 1400, "drop"));
  const [large] = buffer.queued();
  let admitted = false;
  const waiting = buffer.enqueue(sized(1, 1400, "wait")).then(() => {
    admitted = true;
  });
  expect(admitted).toBe(false);
  buffer.shrink(large!, Buffer.alloc(400));
  await waiting;
  expect(buffer.bytes).toBe(400 + 1400 + 2 * 512);
  buffer.discard(large!, "denied");
  buffer.shrink(large!, Buffer.alloc(1));
  expect(dropped.map(({ sequence }) => sequence)).toEqual([0]);
  expect(buffer.bytes).toBe(1400 + 512);
  buffer.confirm(buffer.take()!);
  expect([buffer.bytes, buffer.size]).toEqual([0, 0]);
});

it("giving up lets waiting writers go and names all that is lost", async () => {
  const { buffer, dropped } = bufferOf(1000);
  await buffer.enqueue(sized(0, 400, "wait"));
  const waiting = buffer.enqueue(sized(1, 400, "wait"));
  buffer.take();
  expect(buffer.dropAll("gone").map(({ sequence }) => sequence)).toEqual([0, 1]);
  await waiting;
  await buffer.whenEmpty();
  await buffer.enqueue(sized(2, 1, "wait"));
  expect(dropped.length).toBe(3);
});

it("whatever happens, each message is confirmed or dropped once, order holds, and the bound too", async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("offer" as const), bytes: fc.integer({ min: 0, max: 900 }), wait: fc.boolean() }),
    fc.record({ do: fc.constantFrom("take" as const, "confirm" as const, "requeue" as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 120 }), async (steps) => {
      const limit = 4000;
      const { buffer, dropped } = bufferOf(limit);
      const confirmed: number[] = [];
      const inFlight: PendingMessage[] = [];
      const offers: Promise<void>[] = [];
      const confirmOldest = (): void => {
        const entry = inFlight.shift();
        if (entry && buffer.confirm(entry)) confirmed.push(entry.message.sequence);
      };
      for (const next of steps) {
        if (next.do === "offer")
          offers.push(buffer.enqueue(sized(offers.length, next.bytes, next.wait ? "wait" : "drop")));
        else if (next.do === "take") {
          const entry = buffer.take();
          if (entry) inFlight.push(entry);
        } else if (next.do === "confirm") confirmOldest();
        else {
          buffer.requeue();
          inFlight.length = 0;
        }
        expect(buffer.bytes).toBeLessThanOrEqual(limit);
        expect(buffer.inFlight).toBe(inFlight.length);
      }
      while (inFlight.length > 0) confirmOldest();
      for (let entry = buffer.take(); entry; entry = buffer.take()) {
        if (buffer.confirm(entry)) confirmed.push(entry.message.sequence);
      }
      await Promise.all(offers);
      await buffer.whenEmpty();
      const all = [...confirmed, ...dropped.map(({ sequence }) => sequence)].toSorted((a, b) => a - b);
      expect(all).toEqual(offers.map((_, i) => i));
      expect([buffer.bytes, buffer.inFlightBytes, buffer.size]).toEqual([0, 0, 0]);
      expect(dropped.every(({ whenFull }) => whenFull === "drop")).toBe(true);
    }),
    { numRuns: 300 },
  );
});
