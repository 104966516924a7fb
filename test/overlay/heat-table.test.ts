import { describe, expect, it } from "vitest";
import { colourAt } from "../../src/overlay/colormaps.js";
import { heatAt, heatTable, STEPS } from "../../src/overlay/heat-table.js";

const shows = ["magnitude", "signed", "positive"] as const;
const maps = ["inferno", "viridis", "turbo", "grey"] as const;

describe("colormaps", () => {
  it.each([
    // The published 256 colours at entries 0, 51, 102, 153, 204, 255.
    ["inferno", "000004 420a68 932667 dd513a fca50a fcffa4"],
    ["viridis", "440154 414487 2a788e 22a884 7ad151 fde725"],
    ["turbo", "30123b 3e9bfe 46f884 e1dd37 f05b12 7a0403"],
    ["grey", "000000 333333 666666 999999 cccccc ffffff"],
  ] as const)("%s is within 2 levels of the published colours", (name, published) => {
    for (const [index, hex] of published.split(" ").entries()) {
      const expected = [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
      for (const [c, value] of colourAt(name, index / 5).entries()) {
        expect(Math.abs(value - expected[c]!)).toBeLessThanOrEqual(2);
      }
    }
  });

  it("hold their ends beyond 0 and 1", () => {
    expect(colourAt("inferno", -3)).toEqual(colourAt("inferno", 0));
    expect(colourAt("inferno", 7)).toEqual(colourAt("inferno", 1));
  });
});

describe("heat", () => {
  it.each(shows)("of %s is clear at zero and covers by the opacity at full relevance", (show) => {
    const style = { show, colormap: "inferno", opacity: 0.6 } as const;
    expect(heatAt(style, 128).cover).toBe(0);
    expect(heatAt(style, 255).cover).toBeCloseTo(0.6, 12);
  });

  it.each(shows)("of %s covers more the more relevance there is", (show) => {
    const style = { show, colormap: "turbo", opacity: 0.8 } as const;
    for (let level = 129; level <= 255; level++) {
      expect(heatAt(style, level).cover).toBeGreaterThan(heatAt(style, level - 1).cover);
    }
  });

  it("of either sign is the same in magnitude, red against blue in signed, and only above zero in positive", () => {
    const of = (show: (typeof shows)[number], level: number) =>
      heatAt({ show, colormap: "viridis", opacity: 1 }, level);
    expect(of("magnitude", 48)).toEqual(of("magnitude", 208));
    for (const strength of [20, 60, 127]) {
      const raises = of("signed", 128 + strength);
      const lowers = of("signed", 128 - strength);
      expect(raises.red).toBeGreaterThan(raises.blue + 60);
      expect(lowers.blue).toBeGreaterThan(lowers.red + 60);
      expect(of("positive", 128 - strength).cover).toBe(0);
    }
  });

  it("is in the table as the function gives it, for every style and step", () => {
    for (const show of shows) {
      for (const colormap of maps) {
        const style = { show, colormap, opacity: 0.7 };
        const { entries } = heatTable(style);
        const off: number[] = [];
        for (let step = 0; step <= 255 * STEPS; step++) {
          const heat = heatAt(style, step / STEPS);
          const at = 4 * (step + 1);
          const isCover = Math.abs(32768 - entries[at + 3]! - heat.cover * 32768) <= 1;
          const isRed = Math.abs(entries[at]! - heat.red * heat.cover * 128) <= 0.5;
          if (!isCover || !isRed) off.push(step);
        }
        expect(off, `${show} ${colormap}`).toEqual([]);
      }
    }
  });

  it("tables are made once a style", () => {
    const style = { show: "signed", colormap: "grey", opacity: 0.123 } as const;
    expect(heatTable({ ...style })).toBe(heatTable({ ...style }));
  });
});
