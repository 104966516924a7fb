import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { baseline } from "../../src/evaluate/metrics/baselines.js";
import { prefersOwn } from "../../src/evaluate/metrics/class-sensitivity.js";
import { rankCorrelationWith, relativeChange } from "../../src/evaluate/metrics/comparison.js";
import { complexity, sparseness, topShare } from "../../src/evaluate/metrics/concentration.js";
import { areaUnder, blends, byRelevance, shares } from "../../src/evaluate/metrics/curves.js";
import { massAccuracy } from "../../src/evaluate/metrics/mass.js";
import { pointingGame } from "../../src/evaluate/metrics/pointing.js";
import { rankAccuracy } from "../../src/evaluate/metrics/rank.js";
import { uniform } from "../../src/evaluate/random.js";

const map = (...values: number[]): Float32Array => Float32Array.from(values);
const mask = (...values: number[]): Uint8Array => Uint8Array.from(values);
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Maps of few different values, so that many are equal, and a mask of the same size with something in it. */
const pairs = fc
  .array(fc.tuple(fc.integer({ min: -4, max: 4 }), fc.boolean()), { minLength: 2, maxLength: 40 })
  .filter((cells) => cells.some(([, inside]) => inside))
  .map((cells) => ({
    r: map(...cells.map(([v]) => v / 2)),
    s: mask(...cells.map(([, inside]) => Number(inside))),
  }));

describe("mass accuracy", () => {
  it("is the share of what is positive that lies within the mask", () => {
    // 3 + 1 of 3 + 1 + 4; what is negative counts nowhere.
    expect(massAccuracy(map(3, -9, 1, 4), mask(1, 1, 1, 0))).toBeCloseTo(0.5, 12);
    expect(massAccuracy(map(-1, 0), mask(1, 0))).toBe(0);
  });

  it("does not depend on the scale, and with the mask's complement makes one", () => {
    fc.assert(
      fc.property(pairs, ({ r, s }) => {
        const within = massAccuracy(r, s);
        expect(
          massAccuracy(
            r.map((v) => 8 * v),
            s,
          ),
        ).toBeCloseTo(within, 12);
        const outside = massAccuracy(
          r,
          s.map((v) => 1 - v),
        );
        expect(within + outside).toBeCloseTo(r.some((v) => v > 0) ? 1 : 0, 12);
      }),
    );
  });
});

describe("rank accuracy", () => {
  it("is the share of the K most relevant pixels that lie within the mask", () => {
    expect(rankAccuracy(map(5, 4, 3, 2), mask(1, 0, 1, 0))).toBe(0.5);
    expect(rankAccuracy(map(5, 4, 3, 2), mask(1, 1, 0, 0))).toBe(1);
    // The second place is shared by three pixels, of which one is inside: one third of a hit beside the sure one.
    expect(rankAccuracy(map(5, 1, 1, 1), mask(1, 1, 0, 0))).toBeCloseTo((1 + 1 / 3) / 2, 12);
    expect(rankAccuracy(map(0, 0, 0, 0), mask(0, 0, 1, 0))).toBeCloseTo(0.25, 12);
  });

  it("is the mean over every order of equal pixels", () => {
    fc.assert(
      fc.property(pairs, fc.integer(), ({ r, s }, seed) => {
        // The slow twin: many orders at random.
        const rounds = 400;
        const next = uniform(seed);
        const size = sum([...s]);
        let hits = 0;
        for (let k = 0; k < rounds; k++) {
          const order = [...r.keys()]
            .map((at) => ({ at, by: next() }))
            .sort((a, b) => r[b.at]! - r[a.at]! || a.by - b.by);
          hits += sum(order.slice(0, size).map(({ at }) => s[at]!)) / size;
        }
        expect(Math.abs(rankAccuracy(r, s) - hits / rounds)).toBeLessThan(0.15);
      }),
      { numRuns: 30 },
    );
  });
});

describe("the pointing game", () => {
  it("is won where a most relevant pixel lies within the mask", () => {
    expect(pointingGame(map(1, 3, 2), mask(0, 1, 0))).toBe(1);
    expect(pointingGame(map(1, 3, 2), mask(1, 0, 1))).toBe(0);
    expect(pointingGame(map(3, 3, 2), mask(0, 1, 0))).toBe(1);
  });

  it("is lost by a map that points nowhere", () => {
    expect(pointingGame(map(0, 0), mask(1, 1))).toBe(0);
    expect(pointingGame(map(-1, -2), mask(1, 1))).toBe(0);
  });
});

describe("concentration", () => {
  it("is nothing where all pixels are equal, and all where one has everything", () => {
    const even = new Float32Array(200).fill(-0.5);
    const one = new Float32Array(200);
    one[7] = 3;
    expect(sparseness(even)).toBeCloseTo(0, 6);
    expect(sparseness(one)).toBeCloseTo(199 / 200, 6);
    expect(topShare(even)).toBeCloseTo(2 / 200, 6);
    expect(topShare(one)).toBe(1);
    expect(complexity(even)).toBeCloseTo(Math.log(200), 6);
    expect(complexity(one)).toBeCloseTo(0, 12);
  });

  it("has as sparseness half the mean difference of two pixels over their mean", () => {
    fc.assert(
      fc.property(pairs, ({ r }) => {
        fc.pre(r.some((v) => v !== 0));
        const m = [...r].map(Math.abs);
        const differences = sum(m.flatMap((a) => m.map((b) => Math.abs(a - b)))) / m.length ** 2;
        expect(sparseness(r)).toBeCloseTo(differences / 2 / (sum(m) / m.length), 6);
      }),
    );
  });

  it("of a map of zeros is none, and its entropy no number", () => {
    expect([topShare(map(0, 0)), sparseness(map(0, 0)), complexity(map(0, 0))]).toEqual([0, 0, Number.NaN]);
  });
});

describe("class sensitivity", () => {
  it("compares what a pixel of each mask has, so that a large mask does not win by its size", () => {
    // One pixel of 2 against three of 1: more a pixel, less in all.
    const r = map(2, 1, 1, 1, -5);
    expect(prefersOwn(r, mask(1, 0, 0, 0, 0), [mask(0, 1, 1, 1, 0)])).toBe(1);
    expect(prefersOwn(r, mask(0, 1, 1, 1, 0), [mask(1, 0, 0, 0, 0)])).toBe(0);
    expect(prefersOwn(map(1, 1), mask(1, 0), [mask(0, 1)])).toBe(0.5);
  });

  it("asks for more than the best of several others", () => {
    expect(prefersOwn(map(2, 1, 3), mask(1, 0, 0), [mask(0, 1, 0), mask(0, 0, 1)])).toBe(0);
  });
});

describe("comparison of maps", () => {
  it("ranks equal values as the mean of their places", () => {
    // Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: covariance 4.5, variances 4.5 and 5.
    expect(rankCorrelationWith(map(0, 1, 1, 7))(map(1, 2, 3, 4))).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 12);
    expect(rankCorrelationWith(map(1, 2, 3))(map(9, 4, -1))).toBeCloseTo(-1, 12);
    expect(rankCorrelationWith(map(1, 1))(map(1, 2))).toBeNaN();
  });

  it("finds no change where only the scale changed", () => {
    expect(relativeChange(map(1, -2, 3), map(2, -4, 6))).toBeCloseTo(0, 7);
    // (½, ½) to (1, 0): √½ / √½.
    expect(relativeChange(map(1, 1), map(1, 0))).toBeCloseTo(1, 7);
    expect(relativeChange(map(1, 1), map(0, 0))).toBeNaN();
  });
});

describe("curves of insertion and deletion", () => {
  it("take the most relevant pixels first, equal ones row by row", () => {
    expect([...byRelevance(map(1, 3, -2, 3, 0))]).toEqual([1, 3, 0, 4, 2]);
  });

  it("replace as many pixels at each point as its share says", () => {
    const from = Uint8Array.from({ length: 48 }, (_, k) => k);
    const to = new Uint8Array(48).fill(200);
    const order = byRelevance(Float32Array.from({ length: 16 }, (_, k) => k));
    // Shares 1/16, 1/4 and 9/16 of 16 pixels, from the last one on.
    const all = blends(from, to, order, 4);
    const replaced = [0, 1, 2].map((k) => all.subarray(k * 48, (k + 1) * 48).filter((v) => v === 200).length / 3);
    expect(replaced).toEqual([1, 4, 9]);
    expect([...all.subarray(0, 45)]).toEqual([...from.subarray(0, 45)]);
    expect([...all.subarray(45, 48)]).toEqual([200, 200, 200]);
  });

  it("have the area of what they are, whatever their points", () => {
    const x = shares(7);
    expect(areaUnder(x)).toBeCloseTo(0.5, 12);
    expect(areaUnder(x.map(() => 0.3))).toBeCloseTo(0.3, 12);
    expect(areaUnder([1, 0])).toBeCloseTo(0.5, 12);
  });
});

describe("what pixels are taken away to", () => {
  const [width, height] = [5, 4];
  const picture = Uint8Array.from({ length: 3 * width * height }, (_, k) => (k * 37) % 251);

  it("is for blur a Gaussian at every pixel, the border repeated", () => {
    // The slow twin: the whole kernel in two dimensions.
    const sigma = 5 / 16;
    const weights = [-1, 0, 1].map((d) => Math.exp(-(d * d) / (2 * sigma * sigma)));
    const total = sum(weights);
    const clamp = (v: number, high: number) => Math.min(Math.max(v, 0), high - 1);
    const expected = Array.from(picture, (_, k) => {
      const [c, x, y] = [k % 3, Math.floor(k / 3) % width, Math.floor(k / 3 / width)];
      let value = 0;
      for (const dy of [-1, 0, 1])
        for (const dx of [-1, 0, 1])
          value +=
            (weights[dy + 1]! *
              weights[dx + 1]! *
              picture[3 * (clamp(y + dy, height) * width + clamp(x + dx, width)) + c]!) /
            total ** 2;
      return Math.round(value);
    });
    expect([...baseline.blur(picture, width, height)]).toEqual(expected);
  });

  it("is for mean the mean of each channel", () => {
    const mean = (c: number) => Math.round(sum([...picture].filter((_, k) => k % 3 === c)) / (width * height));
    const all = [...baseline.mean(picture, width, height)];
    expect(all.every((v, k) => v === mean(k % 3))).toBe(true);
  });
});
