import fc from "fast-check";
import { expect, test } from "vitest";
import { Assembler } from "../../src/pipeline/assembler.js";
import { type Slab, SlabPool } from "../../src/pipeline/slabs.js";

type Step = { read: number } | "time" | "release";
const steps = fc.array(
  fc.oneof(fc.record({ read: fc.integer({ min: 1, max: 300 }) }), fc.constantFrom<Step>("time", "time", "release")),
  { maxLength: 200 },
);

interface Outcome {
  pictures: { number: number; pts: number }[];
  lost: number;
  written: number;
  cutOff: boolean;
}

/** Plays a stream whose picture `n` is filled with bytes `n`, in reads of the given sizes, and takes it apart again. */
function play(script: readonly Step[], bytes: number, slabs: number, waits: boolean): Outcome {
  const pool = new SlabPool(bytes, slabs);
  const taken: Slab[] = [];
  const outcome: Outcome = { pictures: [], lost: 0, written: 0, cutOff: false };
  const assembler = new Assembler(pool, {
    waits,
    onPicture: (slab, pts) => {
      expect(new Set(slab.bytes).size).toBe(1);
      outcome.pictures.push({ number: slab.bytes[0]!, pts });
      taken.push(slab);
    },
    onLost: () => {
      outcome.lost++;
    },
    onNoSlab: () => {},
    resume: () => {},
  });
  pool.onFree = () => assembler.slabFreed();
  let times = 0;
  // As a socket does, the next place to write is asked for right after each read.
  let buffer = assembler.buffer();
  for (const step of script) {
    if (step === "time") assembler.addTime(times++);
    else if (step === "release") {
      const slab = taken.shift();
      if (slab) pool.release(slab);
    } else if (!assembler.isHeld) {
      const count = Math.min(step.read, buffer.length);
      for (let i = 0; i < count; i++) buffer[i] = Math.floor(outcome.written++ / bytes) % 256;
      assembler.filled(count, buffer);
      buffer = assembler.buffer();
    }
  }
  while (assembler.isHeld && taken.length > 0) pool.release(taken.shift()!);
  outcome.cutOff = assembler.end();
  for (const slab of taken) pool.release(slab);
  return outcome;
}

const sizes = fc.record({ bytes: fc.integer({ min: 1, max: 120 }), slabs: fc.integer({ min: 1, max: 4 }) });

test("a source that waits gets every picture whole, in order, with its own time, however the bytes come", () => {
  fc.assert(
    fc.property(steps, sizes, (script, { bytes, slabs }) => {
      const { pictures, lost, written, cutOff } = play(script, bytes, slabs, true);
      expect(lost).toBe(0);
      expect(pictures.map((p) => p.number)).toEqual(pictures.map((_, i) => i % 256));
      for (const [i, { pts }] of pictures.entries()) if (!Number.isNaN(pts)) expect(pts).toBe(i);
      expect(pictures.length).toBeLessThanOrEqual(Math.floor(written / bytes));
      expect(cutOff || written >= pictures.length * bytes).toBe(true);
    }),
  );
});

test("a source that does not wait gets each picture whole or counts it as lost, and times stay with their pictures", () => {
  fc.assert(
    fc.property(steps, sizes, (script, { bytes, slabs }) => {
      const { pictures, lost, written, cutOff } = play(script, bytes, slabs, false);
      expect(pictures.length + lost).toBe(Math.floor(written / bytes));
      expect(cutOff).toBe(written % bytes > 0);
      for (const { number, pts } of pictures) if (!Number.isNaN(pts)) expect(number).toBe(pts % 256);
    }),
  );
});
