import fc from "fast-check";
import { expect, test } from "vitest";
import { spanOf } from "../../src/ffmpeg/resizing.js";

const sides = fc
  .record({
    length: fc.integer({ min: 1, max: 5000 }),
    room: fc.integer({ min: 8, max: 512 }),
    extra: fc.double({ min: 1, max: 3, noNaN: true }),
  })
  .map(({ length, room, extra }) => {
    const resized = Math.max(room, Math.floor(room * extra));
    const from = Math.floor((resized - room) / 2);
    return { length, resized, from, to: from + room };
  });

test("what is cut out lies within what is resized, by as much as filters reach, or as far as the picture goes", () => {
  fc.assert(
    fc.property(sides, ({ length, resized, from, to }) => {
      const span = spanOf(length, resized, from, to);
      expect(span.resized.from).toBeLessThanOrEqual(Math.max(0, from - 4));
      expect(span.resized.to).toBeGreaterThanOrEqual(Math.min(resized, to + 4));
      expect(span.source.from).toBeGreaterThanOrEqual(0);
      expect(span.source.to).toBeLessThanOrEqual(length);
      expect(span.source.to - span.source.from).toBeGreaterThanOrEqual(1);
      // Never more than a sixtieth of a pixel beside where it would lie if all were resized.
      for (const [at, source] of [
        [span.resized.from, span.source.from],
        [span.resized.to, span.source.to],
      ] as const)
        expect(Math.abs((source * resized) / length - at)).toBeLessThanOrEqual(1 / 60);
    }),
  );
});

test("of a wide frame that is resized to 256 rows, little more is resized than the 224 that the model sees", () => {
  const { source, resized } = spanOf(1920, 455, 116, 340);
  expect(resized.to - resized.from).toBeLessThan(290);
  expect(source.to - source.from).toBeLessThan(1220);
});

test("of a frame of one row, whose resized columns would be thousands, no more is resized than a filter reaches and a pixel of it takes", () => {
  const { source, resized } = spanOf(3000, 672_000, 335_888, 336_112);
  expect(resized.to - resized.from).toBeLessThanOrEqual(224 + 2 * (4 + 224));
  expect(source.to - source.from).toBeGreaterThanOrEqual(1);
  expect(Math.abs(source.from * 224 - resized.from)).toBeLessThanOrEqual(0.5);
  expect(Math.abs(source.to * 224 - resized.to)).toBeLessThanOrEqual(0.5);
});
