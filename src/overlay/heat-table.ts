import { colourAt } from "./colormaps.js";
import { Lru } from "./lru.js";
import type { OverlayStyle } from "./overlay.js";

export type HeatStyle = Pick<OverlayStyle, "show" | "colormap" | "opacity">;

/** Relevance too weak to matter is drawn weakly: the cover is `opacity` times this, 0 at no relevance, 1 at full. */
const cover = (strength: number): number => strength * (2 - strength);

/** Sequential maps begin here, lest weak relevance darken the picture. */
const FIRST_COLOUR = 0.2;

/** What is laid over a pixel whose heatmap value is `level` (0..255, fractions allowed): colour 0..255 and cover 0..1. */
export function heatAt(style: HeatStyle, level: number): { red: number; green: number; blue: number; cover: number } {
  const signed = Math.max(-1, Math.min(1, (level - 128) / 127));
  const strength = style.show === "positive" ? Math.max(0, signed) : Math.abs(signed);
  const [red, green, blue] =
    style.show === "signed"
      ? colourAt(signed < 0 ? "lowers" : "raises", strength)
      : colourAt(style.colormap, FIRST_COLOUR + (1 - FIRST_COLOUR) * strength);
  return { red, green, blue, cover: style.opacity * cover(strength) };
}

/** Table steps per heatmap level. */
export const STEPS = 8;

/**
 * `heatAt` in fixed point: entry `1 + level * STEPS` holds the red, green and blue that are added, in 1/128 levels, and
 * what is kept of the picture, in 1/32768. The first and last entries are repeated once.
 */
export interface HeatTable {
  entries: Uint16Array;
  /** Levels in [clearFrom, clearTo] leave the picture as it is. */
  clearFrom: number;
  clearTo: number;
}

function build(style: HeatStyle): HeatTable {
  const steps = 255 * STEPS + 1;
  const entries = new Uint16Array(4 * (steps + 2));
  for (let entry = 0; entry < steps + 2; entry++) {
    const heat = heatAt(style, Math.min(steps - 1, Math.max(0, entry - 1)) / STEPS);
    entries[4 * entry] = Math.round(heat.red * heat.cover * 128);
    entries[4 * entry + 1] = Math.round(heat.green * heat.cover * 128);
    entries[4 * entry + 2] = Math.round(heat.blue * heat.cover * 128);
    entries[4 * entry + 3] = Math.min(32767, Math.round((1 - heat.cover) * 32768));
  }
  if (style.opacity <= 0) return { entries, clearFrom: 0, clearTo: 255 };
  return { entries, clearFrom: style.show === "positive" ? 0 : 128, clearTo: 128 };
}

const tables = new Lru<HeatTable>(32);

/** The table of a style; the 32 used last are kept. */
export function heatTable(style: HeatStyle): HeatTable {
  const key = `${style.show} ${style.colormap} ${style.opacity}`;
  const table = tables.get(key) ?? build(style);
  tables.set(key, table, 1);
  return table;
}
