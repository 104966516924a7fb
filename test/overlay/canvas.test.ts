import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Placement, Rect } from "../../src/frame.js";
import { BLEND_KERNEL, BLEND_KERNEL_SOURCE } from "../../src/overlay/blend-kernel.js";
import { createCanvas } from "../../src/overlay/canvas.js";
import { fitPlane, type HeatPlane } from "../../src/overlay/heat-plane.js";
import { type HeatTable, heatAt, heatTable } from "../../src/overlay/heat-table.js";
import type { OverlayStyle } from "../../src/overlay/overlay.js";
import { drawOutline, type Picture, pixelsIn } from "../../src/overlay/picture.js";
import { blendSlowly } from "./twin.js";

/** Repeatable bytes. */
function noise(length: number, seed: number): Uint8Array {
  let state = seed >>> 0;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

const picture = (width: number, height: number, seed = 1): Picture => ({
  width,
  height,
  pixels: noise(3 * width * height, seed),
});

const canvas = createCanvas();
/** The picture is copied to the canvas, drawn on, and copied back. */
function drawHeat(drawn: Picture, heatmap: HeatPlane, placement: Placement, table: HeatTable): void {
  const { columns, rows } = heatmap;
  const open = canvas.open({ width: drawn.width, height: drawn.height, columns, rows });
  open.pixels.set(drawn.pixels);
  canvas.drawHeat(heatmap, placement, table);
  drawn.pixels.set(open.pixels);
}

const style = fc.record({
  show: fc.constantFrom<OverlayStyle["show"]>("magnitude", "signed", "positive"),
  colormap: fc.constantFrom<OverlayStyle["colormap"]>("inferno", "viridis", "turbo", "grey"),
  opacity: fc.double({ min: 0, max: 1, noNaN: true }),
});
const place = (low: number, high: number) => fc.double({ min: low, max: high, noNaN: true });

describe("heat over a picture", () => {
  // Both together, as scripts/build-blend-kernel.mjs made the one of the other: neither changes alone.
  it("is drawn by the kernel that was built from the C file beside it, and by no other", () => {
    const source = readFileSync(new URL("../../src/overlay/blend-kernel.c", import.meta.url));
    const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
    expect({ source: sha256(source), kernel: sha256(Buffer.from(BLEND_KERNEL, "base64")) }).toEqual({
      source: BLEND_KERNEL_SOURCE,
      kernel: "6e3ea6c16f83c3af4040f67a93048ec9ada8122be7e1fa17d7c7a532b310a924",
    });
  });

  it("is within 2 levels of the slow twin for any frame, heatmap, placement and style", () => {
    fc.assert(
      fc.property(
        fc.record({
          width: fc.integer({ min: 1, max: 90 }),
          height: fc.integer({ min: 1, max: 70 }),
          columns: fc.integer({ min: 1, max: 40 }),
          rows: fc.integer({ min: 1, max: 40 }),
          rect: fc.record({ x: place(-30, 60), y: place(-30, 60), width: place(40, 200), height: place(40, 200) }),
          clip: fc.record({ x: place(-5, 60), y: place(-5, 60), width: place(0, 120), height: place(0, 120) }),
          style,
          seed: fc.integer(),
        }),
        ({ width, height, columns, rows, rect, clip, style, seed }) => {
          const drawn = picture(width, height, seed);
          const before = drawn.pixels.slice();
          const heatmap = { columns, rows, values: noise(columns * rows, seed + 1) };
          drawHeat(drawn, heatmap, { rect, clip }, heatTable(style));
          const expected = blendSlowly(before, width, height, heatmap, { rect, clip }, (level) => heatAt(style, level));
          let worst = 0;
          for (const [at, value] of expected.entries()) worst = Math.max(worst, Math.abs(value - drawn.pixels[at]!));
          expect(worst).toBeLessThanOrEqual(2);
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each(["magnitude", "signed", "positive"] as const)("leaves every pixel as it was where %s is zero", (show) => {
    const drawn = picture(97, 61);
    const before = drawn.pixels.slice();
    const whole = { x: 0, y: 0, width: 97, height: 61 };
    const heatmap = { columns: 16, rows: 16, values: new Uint8Array(256).fill(128) };
    drawHeat(drawn, heatmap, { rect: whole, clip: whole }, heatTable({ show, colormap: "inferno", opacity: 1 }));
    drawOutline(drawn, whole);
    expect(drawn.pixels).toEqual(before);
  });

  it("leaves negative relevance out of positive", () => {
    const drawn = picture(40, 40);
    const before = drawn.pixels.slice();
    const whole = { x: 0, y: 0, width: 40, height: 40 };
    const heatmap = { columns: 2, rows: 1, values: Uint8Array.of(1, 127) };
    drawHeat(
      drawn,
      heatmap,
      { rect: whole, clip: whole },
      heatTable({ show: "positive", colormap: "turbo", opacity: 1 }),
    );
    expect(drawn.pixels).toEqual(before);
  });

  it("touches nothing outside the clip, and with the outline every edge pixel of it", () => {
    const clip: Rect = { x: 10, y: 5, width: 21, height: 13 };
    const drawn: Picture = { width: 50, height: 30, pixels: new Uint8Array(50 * 30 * 3).fill(60) };
    const heatmap = { columns: 8, rows: 8, values: new Uint8Array(64).fill(255) };
    const rect = { x: -20, y: -20, width: 100, height: 100 };
    drawHeat(drawn, heatmap, { rect, clip }, heatTable({ show: "signed", colormap: "inferno", opacity: 0.5 }));
    const heated = drawn.pixels.slice();
    drawOutline(drawn, clip);
    for (let y = 0; y < 30; y++) {
      for (let x = 0; x < 50; x++) {
        const at = (y * 50 + x) * 3;
        const inside = x >= 10 && x < 31 && y >= 5 && y < 18;
        const edge = inside && (x === 10 || x === 30 || y === 5 || y === 17);
        expect(heated[at] !== 60, `heat at ${x}, ${y}`).toBe(inside);
        expect(drawn.pixels[at + 2]! > heated[at + 2]!, `outline at ${x}, ${y}`).toBe(edge);
      }
    }
  });

  it("covers a region of one pixel", () => {
    const drawn: Picture = { width: 5, height: 5, pixels: new Uint8Array(75) };
    const one = { x: 3, y: 2, width: 1, height: 1 };
    const heatmap = { columns: 224, rows: 224, values: new Uint8Array(224 * 224).fill(255) };
    drawHeat(
      drawn,
      heatmap,
      { rect: one, clip: one },
      heatTable({ show: "magnitude", colormap: "viridis", opacity: 1 }),
    );
    const changed = [...drawn.pixels.keys()].filter((at) => drawn.pixels[at] !== 0);
    expect(new Set(changed.map((at) => Math.floor(at / 3)))).toEqual(new Set([2 * 5 + 3]));
  });

  it("draws nothing, and does not fail, for a clip beside the picture", () => {
    const drawn = picture(8, 8);
    const before = drawn.pixels.slice();
    const beside = { x: 20, y: -30, width: 10, height: 10 };
    const heatmap = { columns: 4, rows: 4, values: new Uint8Array(16).fill(255) };
    drawHeat(
      drawn,
      heatmap,
      { rect: beside, clip: beside },
      heatTable({ show: "signed", colormap: "grey", opacity: 1 }),
    );
    drawOutline(drawn, beside);
    expect(drawn.pixels).toEqual(before);
  });

  it("averages a heatmap that is finer than the frame, so that a hot spot between pixels is still seen", () => {
    const values = new Uint8Array(64 * 64).fill(128);
    values[33 * 64 + 29] = 255;
    const plane = fitPlane({ columns: 64, rows: 64, values }, { x: 0, y: 0, width: 16, height: 16 });
    // 128 + 127 / 16 at the cell of row floor(33/4), column floor(29/4).
    expect({ columns: plane.columns, rows: plane.rows }).toEqual({ columns: 16, rows: 16 });
    expect(plane.values[8 * 16 + 7]).toBe(136);
    expect(plane.values.filter((value) => value !== 128)).toHaveLength(1);
  });

  it("keeps the mean when it averages", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 50 }),
        place(0.3, 60),
        place(0.3, 60),
        fc.integer(),
        (columns, rows, width, height, seed) => {
          const values = noise(columns * rows, seed);
          const mean = (list: Uint8Array): number => list.reduce((sum, value) => sum + value, 0) / list.length;
          const plane = fitPlane({ columns, rows, values }, { x: 0, y: 0, width, height });
          expect(plane.values).toHaveLength(plane.columns * plane.rows);
          expect(Math.abs(mean(plane.values) - mean(values))).toBeLessThanOrEqual(0.5 + 1e-9);
        },
      ),
    );
  });

  it("counts the pixels whose centres lie in a rectangle", () => {
    const span = pixelsIn({ x: 2.4, y: 1.6, width: 3, height: 2 }, { width: 10, height: 3 });
    expect(span).toEqual({ left: 2, right: 5, top: 2, bottom: 3 });
  });
});
