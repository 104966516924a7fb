import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { escapeMarkup } from "../escape-markup.js";
import { Lru } from "./lru.js";

const FONT_FILE = fileURLToPath(new URL("../../assets/fonts/DejaVuSansCondensed-Bold.ttf", import.meta.url));
const FONT_NAME = "DejaVu Sans Condensed Bold";

/** Set text: how much of each pixel it covers (0..255), trimmed to its ink. */
export interface TextMask {
  width: number;
  height: number;
  /** Rows from the top of a `|` of the same size down to the first row; negative for tall accents. */
  top: number;
  cover: Uint8Array;
}

/** One line of valid Unicode: line breaks and control characters become spaces, lone surrogates U+FFFD. */
export const oneLine = (text: string): string =>
  text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Zs}]+/gu, " ")
    .replace(/\p{Cs}/gu, "\ufffd")
    .trim();

interface Bitmap {
  width: number;
  height: number;
  cover: Uint8Array;
}

async function rasterise(text: string, size: number): Promise<Bitmap> {
  const { data, info } = await sharp({
    text: { text: escapeMarkup(text), font: `${FONT_NAME} ${size}`, fontfile: FONT_FILE, dpi: 72, wrap: "none" },
  })
    .extractChannel(0)
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, cover: data };
}

/** Left-to-right mark, so that the bar stays at the left of right-to-left text too. */
const LTR = "\u200e";

/**
 * sharp gives only the ink of a text, not where its baseline was: a bar before it, cut off again, tells how high the
 * ink sits.
 */
async function setText(text: string, size: number, barWidth: number): Promise<TextMask> {
  const { width, height, cover } = await rasterise(`${LTR}|${LTR}  ${text}`, size);
  const emptyRow = (row: number, from: number, to: number): boolean => {
    for (let x = from; x < to; x++) if (cover[row * width + x]! > 63) return false;
    return true;
  };
  const emptyColumn = (x: number): boolean => {
    for (let row = 0; row < height; row++) if (cover[row * width + x]! > 0) return false;
    return true;
  };
  let bar = 0;
  while (bar < height && emptyRow(bar, 0, Math.min(barWidth, width))) bar++;
  let left = Math.min(barWidth, width);
  while (left < width && !emptyColumn(left)) left++;
  while (left < width && emptyColumn(left)) left++;
  const wide = width - left;
  const trimmed = new Uint8Array(wide * height);
  for (let row = 0; row < height; row++) {
    trimmed.set(cover.subarray(row * width + left, (row + 1) * width), row * wide);
  }
  return { width: wide, height, top: -bar, cover: trimmed };
}

/** Bytes of kept masks: some 250 labels at 720p. */
const KEPT_BYTES = 8 * 1024 * 1024;

export type TextSetter = ReturnType<typeof createTextSetter>;

/** Sets text in the shipped font; masks are kept up to a bound. */
export function createTextSetter() {
  const masks = new Lru<TextMask>(KEPT_BYTES);
  const cached = async (key: string, make: () => Promise<TextMask>, keep: boolean): Promise<TextMask> => {
    const known = masks.get(key);
    if (known) return known;
    const mask = await make();
    if (keep) masks.set(key, mask, mask.cover.length + 2 * key.length + 128);
    return mask;
  };
  return {
    /** `size` is the em in pixels; `keep` false does not fill the cache. */
    async set(text: string, size: number, keep = true): Promise<TextMask> {
      const bar = await cached(`${size}|`, async () => ({ ...(await rasterise("|", size)), top: 0 }), true);
      if (text === "|") return bar;
      return cached(`${size} ${text}`, () => setText(text, size, bar.width), keep);
    },
  };
}
