import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { centroid, findRegions } from "../../../src/explain/programs/regions.js";

const maps = fc
  .record({ rows: fc.integer({ min: 1, max: 12 }), columns: fc.integer({ min: 1, max: 12 }) })
  .chain(({ rows, columns }) =>
    fc.record({
      rows: fc.constant(rows),
      columns: fc.constant(columns),
      map: fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true })), {
        minLength: rows * columns,
        maxLength: rows * columns,
      }),
      width: fc.integer({ min: 1, max: 500 }),
      height: fc.integer({ min: 1, max: 500 }),
    }),
  );
const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

describe("regions of a coarse map", () => {
  // 0 8 0 0 0
  // 0 9 0 0 5    from 9/4 = 2.25 upwards: {8, 9, 3} in one, {5} and {4} alone: 4 touches 5 only at a corner, 2 is too weak.
  // 0 3 0 4 0
  // 2 0 0 0 0
  const small = [0, 8, 0, 0, 0, 0, 9, 0, 0, 5, 0, 3, 0, 4, 0, 2, 0, 0, 0, 0];

  it("are connected areas around the strongest cells, largest share first", () => {
    expect(findRegions(small, 4, 5, 50, 40)).toEqual([
      { x: 10, y: 0, width: 10, height: 30, share: 20 / 31 },
      { x: 40, y: 10, width: 10, height: 10, share: 5 / 31 },
      { x: 30, y: 20, width: 10, height: 10, share: 4 / 31 },
    ]);
  });

  it("are at most five, inside the picture, of falling share, one at least where anything is relevant", () => {
    fc.assert(
      fc.property(maps, ({ map, rows, columns, width, height }) => {
        const regions = findRegions(map, rows, columns, width, height);
        expect(regions.length).toBeLessThanOrEqual(5);
        expect(regions.length > 0).toBe(total(map) > 0);
        regions.forEach((r, k) => {
          expect(Math.min(r.x, r.y)).toBeGreaterThanOrEqual(0);
          expect(r.x + r.width).toBeLessThanOrEqual(width * (1 + 1e-12));
          expect(r.y + r.height).toBeLessThanOrEqual(height * (1 + 1e-12));
          expect(r.share).toBeGreaterThan(0);
          if (k > 0) expect(r.share).toBeLessThanOrEqual(regions[k - 1]!.share);
        });
        expect(total(regions.map((r) => r.share))).toBeLessThanOrEqual(1 + 1e-9);
      }),
    );
  });

  it("of a map hold its strongest cell in one of them, unless there are more than five", () => {
    fc.assert(
      fc.property(maps, ({ map, rows, columns, width, height }) => {
        const regions = findRegions(map, rows, columns, width, height);
        if (regions.length === 0 || regions.length === 5) return;
        const at = map.indexOf(Math.max(...map));
        const [x, y] = [(((at % columns) + 0.5) * width) / columns, ((Math.floor(at / columns) + 0.5) * height) / rows];
        expect(regions.some((r) => x > r.x && x < r.x + r.width && y > r.y && y < r.y + r.height)).toBe(true);
      }),
    );
  });

  it("do not depend on the map's scale", () => {
    const scaled = small.map((v) => v * 1e-6);
    findRegions(scaled, 4, 5, 50, 40).forEach((r, k) => {
      expect(r.share).toBeCloseTo(findRegions(small, 4, 5, 50, 40)[k]!.share, 12);
    });
  });
});

describe("the centroid of a coarse map", () => {
  it("of one cell is its middle, of an empty map the picture's", () => {
    expect(centroid([0, 0, 0, 0, 0, 7], 2, 3, 30, 40)).toEqual([25, 30]);
    expect(centroid([0, 0, 0, 0], 2, 2, 30, 40)).toEqual([15, 20]);
  });

  it("lies inside the picture, and turns with it", () => {
    fc.assert(
      fc.property(maps, ({ map, rows, columns, width, height }) => {
        const [x, y] = centroid(map, rows, columns, width, height);
        expect(x).toBeGreaterThanOrEqual(0);
        expect(x).toBeLessThanOrEqual(width);
        expect(y).toBeGreaterThanOrEqual(0);
        expect(y).toBeLessThanOrEqual(height);
        const [tx, ty] = centroid([...map].reverse(), rows, columns, width, height);
        if (total(map) > 1e-300) {
          expect(tx).toBeCloseTo(width - x, 6);
          expect(ty).toBeCloseTo(height - y, 6);
        }
      }),
    );
  });
});
