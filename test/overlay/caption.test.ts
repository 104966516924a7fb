import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createCaptionDrawer, percent } from "../../src/overlay/caption.js";
import type { Picture, Span } from "../../src/overlay/picture.js";
import { createTextSetter, oneLine } from "../../src/overlay/text.js";

const setter = createTextSetter();
const drawer = createCaptionDrawer(setter);
const grey = (width: number, height: number): Picture => ({
  width,
  height,
  pixels: new Uint8Array(3 * width * height).fill(140),
});

async function drawn(width: number, height: number, label: string, probability = 0.973) {
  const picture = grey(width, height);
  const plate = await drawer.draw(picture, { label, probability });
  return { picture, plate };
}

/** Share of the plate's pixels that are nearly white, and nearly as dark as the plate. */
function tones({ pixels, width }: Picture, plate: Span): { white: number; dark: number } {
  let white = 0;
  let dark = 0;
  for (let y = plate.top; y < plate.bottom; y++) {
    for (let x = plate.left; x < plate.right; x++) {
      const value = pixels[(y * width + x) * 3]!;
      if (value > 225) white++;
      if (value < 60) dark++;
    }
  }
  const area = (plate.right - plate.left) * (plate.bottom - plate.top);
  return { white: white / area, dark: dark / area };
}

describe("the caption", () => {
  it.each([
    [640, 360],
    [1280, 720],
    [1919, 1081],
    [3840, 2160],
    [480, 1920],
  ])("is white on a dark plate at the top left of a %i x %i frame", async (width, height) => {
    const { picture, plate } = await drawn(width, height, "water bottle");
    const { white, dark } = tones(picture, plate!);
    expect(white).toBeGreaterThan(0.08);
    expect(dark).toBeGreaterThan(0.4);
    expect(plate!.left).toBeLessThan(width / 20);
    expect(plate!.bottom - plate!.top).toBeGreaterThan(Math.min(height, width) / 30);
    expect(plate!.right).toBeLessThan(width);
  });

  it("changes nothing outside its plate", async () => {
    const { picture, plate } = await drawn(640, 360, "Ångström ğ");
    const changed: [number, number][] = [];
    for (let y = 0; y < 360; y++) {
      for (let x = 0; x < 640; x++) {
        const inside = x >= plate!.left && x < plate!.right && y >= plate!.top && y < plate!.bottom;
        if (!inside && picture.pixels[(y * 640 + x) * 3] !== 140) changed.push([x, y]);
      }
    }
    expect(changed).toEqual([]);
  });

  it("looks the same from the cache as freshly set", async () => {
    const again = await drawn(640, 360, "water bottle");
    const fresh = grey(640, 360);
    await createCaptionDrawer(createTextSetter()).draw(fresh, { label: "water bottle", probability: 0.973 });
    expect(again.picture.pixels).toEqual(fresh.pixels);
  });

  it("is as wide for every number with as many digits", async () => {
    const widths = new Set<number>();
    for (const probability of [0.111, 0.444, 0.888, 0.979]) {
      widths.add((await drawn(640, 360, "cat", probability)).plate!.right);
    }
    expect(widths.size).toBe(1);
  });

  it("shortens a long label to the frame and still shows the number", async () => {
    const long = "a label that goes on and on ".repeat(2000);
    const { picture, plate } = await drawn(640, 360, long);
    expect(plate!.right).toBeLessThan(640);
    expect(plate!.right).toBeGreaterThan(500);
    const number = await drawn(640, 360, "", 0.973);
    const numberWidth = number.plate!.right - number.plate!.left;
    expect(numberWidth).toBeGreaterThan(20);
    const tail = { ...plate!, left: plate!.right - numberWidth };
    expect(tones(picture, tail).white).toBeCloseTo(tones(number.picture, number.plate!).white, 1);
  });

  it.each([
    [32, 32],
    [1, 1],
    [7, 300],
    [300, 3],
    [61, 17],
  ])("does not fail on a %i x %i frame", async (width, height) => {
    const { plate } = await drawn(width, height, "water bottle");
    if (plate) {
      expect(plate.right).toBeLessThanOrEqual(width);
      expect(plate.bottom).toBeLessThanOrEqual(height);
    }
  });

  it("is the number alone on a 32 x 32 frame", async () => {
    const { picture, plate } = await drawn(32, 32, "water bottle");
    expect(tones(picture, plate!).dark).toBeGreaterThan(0.3);
    expect(Math.max(...picture.pixels)).toBeGreaterThan(200);
  });

  it.each([
    ["markup", "<b>&amp; \"fish\" & 'chips' </span>"],
    ["Cyrillic, Arabic and Chinese", "Привет قطة 猫"],
    ["an emoji of several characters", "👩‍👩‍👧 family"],
    ["line breaks, zero bytes and tabs", "two\nlines\0and\ta tab\u2028end"],
    ["a lone surrogate", "broken \ud83d text"],
    ["nothing but spaces", " \n "],
    ["combining marks alone", "\u0301\u0308"],
    ["text direction controls", "\u202eabc\u2066def"],
  ])("takes %s", async (_, label) => {
    const { picture, plate } = await drawn(640, 360, label);
    expect(tones(picture, plate!).white).toBeGreaterThan(0.03);
  });

  it("takes any text", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 30 }), fc.double(), async (label, probability) => {
        const { plate } = await drawn(320, 180, label, probability);
        if (plate) expect(plate.right).toBeLessThanOrEqual(320);
      }),
      { numRuns: 60 },
    );
  });

  it("sets text at the same height, whatever its accents", async () => {
    const low = await setter.set("x", 40);
    const tall = await setter.set("xÅ", 40);
    const deep = await setter.set("xg", 40);
    const topOfX = ({ width, height, top, cover }: typeof low): number => {
      for (let row = 0; row < height; row++) {
        for (let x = 0; x < 10; x++) if (cover[row * width + x]! > 127) return top + row;
      }
      return Number.NaN;
    };
    expect(topOfX(tall)).toBe(topOfX(low));
    expect(topOfX(deep)).toBe(topOfX(low));
  });
});

describe("text", () => {
  it.each([
    [0.973, "97.3 %"],
    [1, "100.0 %"],
    [0, "0.0 %"],
    [1.00001, "100.0 %"],
    [-0.1, "0.0 %"],
    [Number.NaN, ""],
  ])("writes the probability %d as %j", (probability, text) => {
    expect(percent(probability)).toBe(text);
  });

  it("is one line of valid Unicode", () => {
    expect(oneLine(" a\r\n b\0c\ud800 ")).toBe("a b c\ufffd");
  });
});
