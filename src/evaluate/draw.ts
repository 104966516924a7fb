import sharp from "sharp";
import { colourAt } from "../overlay/colormaps.js";
import { insideOf } from "../pictures/mask.js";
import type { Pixels } from "./pixels.js";

/** Share of the pixels that may lie beyond the ends of the colours. */
const BEYOND = 0.005;
/** Larger ones are shrunk to that. */
const MAX_SIDE_PX = 224;
const QUALITY = 85;

/** A picture as JPEG: in grey with its map, red where it raises the score and blue where it lowers it, or as it is with its masks' outlines. */
export async function drawn(of: Pixels, width: number, height: number, map?: Float32Array): Promise<Uint8Array> {
  const pixels = of.image;
  const jpeg = await sharp(map ? overlaid(pixels, map) : outlined(pixels, of, width), {
    raw: { width, height, channels: 3 },
  })
    .resize(MAX_SIDE_PX, MAX_SIDE_PX, { fit: "inside", withoutEnlargement: true })
    .jpeg({ quality: QUALITY, chromaSubsampling: "4:4:4" })
    .toBuffer();
  return new Uint8Array(jpeg);
}

function overlaid(pixels: Uint8Array, map: Float32Array): Uint8Array {
  const magnitudes = map.map(Math.abs).sort();
  const scale = magnitudes[Math.floor((magnitudes.length - 1) * (1 - BEYOND))]! || 1;
  const out = new Uint8Array(pixels.length);
  for (let k = 0; k < map.length; k++) {
    const heat = Math.min(1, Math.abs(map[k]!) / scale);
    const colour = colourAt(map[k]! > 0 ? "raises" : "lowers", heat);
    const grey = (pixels[3 * k]! + pixels[3 * k + 1]! + pixels[3 * k + 2]!) / 3;
    for (let c = 0; c < 3; c++) out[3 * k + c] = Math.round(heat * colour[c]! + (1 - heat) * (0.6 * grey + 80));
  }
  return out;
}

const OUTLINE = [0, 230, 118] as const;

/** Pixels of a mask beside one that is none, in a colour of their own. */
function outlined(pixels: Uint8Array, { masks, filled }: Pixels, width: number): Uint8Array {
  const out = pixels.slice();
  for (const mask of masks) {
    const inside = mask && insideOf(mask, filled, width);
    inside?.forEach((is, k) => {
      if (is && ![k - 1, k + 1, k - width, k + width].every((beside) => inside[beside])) out.set(OUTLINE, 3 * k);
    });
  }
  return out;
}
