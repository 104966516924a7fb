import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FlatTable } from "../../src/explain/flatbuffer.js";
import { flatbuffer } from "./tflite/writer.js";

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const float32 = fc.float({ noNaN: true });

describe("a flatbuffer", () => {
  it("gives back what was written, and the default of what was not", () => {
    const content = fc.record({
      small: fc.integer({ min: -128, max: 127 }),
      whole: int32,
      real: float32,
      text: fc.string({ maxLength: 20 }),
      list: fc.array(int32, { maxLength: 9 }),
      reals: fc.array(float32, { maxLength: 9 }),
      longs: fc.array(fc.maxSafeInteger(), { maxLength: 9 }),
      inner: fc.array(int32, { maxLength: 5 }),
    });
    fc.assert(
      fc.property(content, (c) => {
        const table = FlatTable.root(
          flatbuffer({
            0: { int8: c.small },
            1: { int32: c.whole },
            3: { float32: c.real },
            4: { text: c.text },
            5: { int32s: c.list },
            6: { float32s: c.reals },
            7: { int64s: c.longs },
            8: { tables: c.inner.map((value) => ({ 2: { int32: value } })) },
            9: { table: { 0: { int32: c.whole } } },
          }),
        );
        expect(table.int8(0)).toBe(c.small);
        expect(table.int32(1)).toBe(c.whole);
        expect(table.int32(2, 7)).toBe(7);
        expect(table.float32(3)).toBe(c.real);
        expect(table.text(4)).toBe(c.text);
        expect(table.int32s(5)).toEqual(c.list);
        expect(table.float32s(6)).toEqual(c.reals);
        expect(table.int64s(7).map((v) => v + 0)).toEqual(c.longs.map((v) => v + 0));
        expect(table.tables(8, 5).map((inner) => inner.int32(2))).toEqual(c.inner);
        expect(table.tableAt(8, c.inner.length)).toBeUndefined();
        expect(table.table(9)?.int32(0)).toBe(c.whole);
        expect(table.int32s(10)).toEqual([]);
        expect(table.text(99)).toBeUndefined();
      }),
      { numRuns: 100 },
    );
  });

  it("whose list claims to be longer than the buffer is refused before anything is made of it", () => {
    const file = flatbuffer({ 0: { int32s: [1, 2, 3] } });
    const at = file.findIndex((_, k) => new DataView(file.buffer).getUint32(Math.min(k, file.length - 4), true) === 3);
    for (const length of [0xffffffff, 2 ** 30, 100]) {
      new DataView(file.buffer).setUint32(at, length, true);
      expect(() => FlatTable.root(file).int32s(0)).toThrow(RangeError);
    }
  });

  it("of any bytes is read within its bounds or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 64 }), fc.nat(4), (bytes, field) => {
        try {
          const table = FlatTable.root(bytes);
          const seen = [table.int8(field), table.uint64(field), table.float32(field), table.text(field)];
          const lists = [table.int32s(field), table.int64s(field), table.tables(field, 2 ** 32)];
          expect(seen).toHaveLength(4);
          for (const list of lists) expect(list.length).toBeLessThan(64);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
