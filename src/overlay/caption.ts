import { Lru } from "./lru.js";
import type { Picture, Span } from "./picture.js";
import { oneLine, type TextMask, type TextSetter } from "./text.js";

export interface Caption {
  label: string;
  /** 0..1. */
  probability: number;
}

const PLATE_COVER = 0.62;
const MIN_FONT_PX = 6;
const MAX_LABEL_CHARACTERS = 160;

/** A mask and where its left edge lies, counted from the text's left edge. */
interface Piece {
  mask: TextMask;
  left: number;
}

interface Line {
  pieces: Piece[];
  width: number;
}

/** Text size in pixels that is legible on a frame of this size. */
const textSize = (width: number, height: number): number =>
  Math.max(11, Math.min(200, Math.round(Math.min(height / 20, width / 18))));

/** `97.3 %`; empty where there is no number. */
export const percent = (probability: number): string =>
  Number.isFinite(probability) ? `${(Math.min(1, Math.max(0, probability)) * 100).toFixed(1)} %` : "";

/** Digits take cells of one width, so that a changing number does not tremble. */
async function setNumber(text: string, size: number, setter: TextSetter): Promise<Line> {
  const gap = Math.max(1, Math.round(size * 0.09));
  let cell = 0;
  for (const digit of "0123456789") cell = Math.max(cell, (await setter.set(digit, size)).width);
  const pieces: Piece[] = [];
  let at = 0;
  for (const char of text) {
    if (char === " ") {
      at += Math.round(size * 0.18);
      continue;
    }
    const mask = await setter.set(char, size);
    const wide = char >= "0" && char <= "9" ? cell : mask.width;
    pieces.push({ mask, left: at + ((wide - mask.width) >> 1) });
    at += wide + gap;
  }
  return { pieces, width: Math.max(0, at - gap) };
}

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** As much of the label as fits, an ellipsis for the rest. */
async function fitLabel(label: string, size: number, width: number, setter: TextSetter): Promise<string> {
  const chars = [...graphemes.segment(label.slice(0, 8 * MAX_LABEL_CHARACTERS))].map((part) => part.segment);
  const whole = chars.length <= MAX_LABEL_CHARACTERS && label.length <= 8 * MAX_LABEL_CHARACTERS;
  if (whole && (await setter.set(label, size, false)).width <= width) return label;
  let fits = 0;
  let tooMany = Math.min(chars.length, MAX_LABEL_CHARACTERS) + 1;
  const cut = (count: number): string => `${chars.slice(0, count).join("").trimEnd()}…`;
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >> 1;
    if ((await setter.set(cut(middle), size, false)).width <= width) fits = middle;
    else tooMany = middle;
  }
  return fits > 0 ? cut(fits) : "";
}

function drawPlate(picture: Picture, plate: Span, radius: number): void {
  const { pixels } = picture;
  const left = Math.max(0, plate.left);
  const right = Math.min(picture.width, plate.right);
  for (let y = Math.max(0, plate.top); y < Math.min(picture.height, plate.bottom); y++) {
    const fromEdge = Math.min(y + 0.5 - plate.top, plate.bottom - y - 0.5);
    const dy = Math.max(0, radius - fromEdge);
    for (let x = left; x < right; x++) {
      let cover = PLATE_COVER;
      if (dy > 0) {
        const dx = radius - Math.min(x + 0.5 - plate.left, plate.right - x - 0.5);
        if (dx > 0) cover *= Math.max(0, Math.min(1, radius + 0.5 - Math.sqrt(dx * dx + dy * dy)));
      }
      const kept = Math.round((1 - cover) * 256);
      const at = (y * picture.width + x) * 3;
      pixels[at] = (pixels[at]! * kept + 128) >> 8;
      pixels[at + 1] = (pixels[at + 1]! * kept + 128) >> 8;
      pixels[at + 2] = (pixels[at + 2]! * kept + 128) >> 8;
    }
  }
}

function drawMask(picture: Picture, mask: TextMask, left: number, top: number): void {
  const { pixels, width } = picture;
  for (let row = Math.max(0, -top); row < Math.min(mask.height, picture.height - top); row++) {
    for (let column = Math.max(0, -left); column < Math.min(mask.width, width - left); column++) {
      const cover = mask.cover[row * mask.width + column]!;
      if (cover === 0) continue;
      const at = ((top + row) * width + left + column) * 3;
      for (let c = at; c < at + 3; c++) pixels[c] = pixels[c]! + Math.floor(((255 - pixels[c]!) * cover + 127) / 255);
    }
  }
}

/** Draws captions at the top left of pictures. */
export function createCaptionDrawer(setter: TextSetter) {
  const shortened = new Lru<string>(1024 * 1024);

  const labelThatFits = async (label: string, size: number, width: number): Promise<string> => {
    const key = `${size} ${width} ${label}`;
    const known = shortened.get(key);
    if (known !== undefined) return known;
    const text = await fitLabel(label, size, width, setter);
    shortened.set(key, text, 2 * (key.length + text.length) + 64);
    return text;
  };

  return {
    /** Resolves to the pixels of the plate, null where there was nothing to draw. */
    async draw(picture: Picture, caption: Caption): Promise<Span | null> {
      const { width, height } = picture;
      const number = percent(caption.probability);
      let size = textSize(width, height);
      let margin = Math.round(size * 0.4);
      let padding = Math.round(size * 0.45);
      let numbers = await setNumber(number, size, setter);
      let room = width - 2 * (margin + padding);
      if (numbers.width > room) {
        margin = 0;
        padding = 1;
        room = width - 2;
        if (numbers.width > room) {
          size = Math.max(MIN_FONT_PX, Math.floor((size * room) / numbers.width));
          numbers = await setNumber(number, size, setter);
        }
      }
      const gap = number ? Math.round(size * 0.55) : 0;
      const labelRoom = room - numbers.width - gap;
      const label = labelRoom >= 2 * size ? await labelThatFits(oneLine(caption.label), size, labelRoom) : "";
      const pieces = [...numbers.pieces];
      let textWidth = numbers.width;
      if (label) {
        const mask = await setter.set(label, size);
        for (const piece of pieces) piece.left += mask.width + gap;
        pieces.push({ mask, left: 0 });
        textWidth += mask.width + gap;
      }
      if (pieces.length === 0) return null;

      const bar = await setter.set("|", size);
      const air = Math.max(1, Math.round(size * 0.22));
      const plate: Span = {
        left: margin,
        top: margin,
        right: Math.min(width, margin + 2 * padding + textWidth),
        bottom: Math.min(height, margin + 2 * air + bar.height),
      };
      drawPlate(picture, plate, Math.round(size * 0.3));
      for (const { mask, left } of pieces) drawMask(picture, mask, margin + padding + left, margin + air + mask.top);
      return plate;
    },
  };
}
