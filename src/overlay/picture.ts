import type { Rect } from "../frame.js";

/** An RGB picture, 3 bytes a pixel, rows without gaps. */
export interface Picture {
  width: number;
  height: number;
  pixels: Uint8Array;
}

/** Pixel columns `left .. right-1`, rows `top .. bottom-1`. */
export interface Span {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** The pixels of the picture whose centres lie in a rectangle. */
export function pixelsIn(rect: Rect, picture: { width: number; height: number }): Span {
  const within = (value: number, limit: number): number => Math.max(0, Math.min(limit, Math.ceil(value - 0.5)));
  return {
    left: within(rect.x, picture.width),
    right: within(rect.x + rect.width, picture.width),
    top: within(rect.y, picture.height),
    bottom: within(rect.y + rect.height, picture.height),
  };
}

/** Mixes a grey (0..255) over a rectangle of pixels; `cover` 0..1. */
export function shade(picture: Picture, span: Span, grey: number, cover: number): void {
  const added = Math.round(cover * 256);
  const kept = 256 - added;
  const bias = grey * added + 128;
  const left = Math.max(0, span.left);
  const right = Math.min(picture.width, span.right);
  if (left >= right) return;
  for (let y = Math.max(0, span.top); y < Math.min(picture.height, span.bottom); y++) {
    const stop = (y * picture.width + right) * 3;
    for (let at = (y * picture.width + left) * 3; at < stop; at++) {
      picture.pixels[at] = (picture.pixels[at]! * kept + bias) >> 8;
    }
  }
}

const OUTLINE_COVER = 0.55;

/** Draws the border of the watched region, inside it, unless it is the whole picture. */
export function drawOutline(picture: Picture, clip: Rect): void {
  const { left, top, right, bottom } = pixelsIn(clip, picture);
  const whole = left === 0 && top === 0 && right === picture.width && bottom === picture.height;
  if (whole || left >= right || top >= bottom) return;
  const thick = picture.height >= 1440 ? 3 : picture.height >= 540 ? 2 : 1;
  const innerTop = Math.min(bottom, top + thick);
  const innerBottom = Math.max(innerTop, bottom - thick);
  const innerLeft = Math.min(right, left + thick);
  const innerRight = Math.max(innerLeft, right - thick);
  shade(picture, { left, right, top, bottom: innerTop }, 255, OUTLINE_COVER);
  shade(picture, { left, right, top: innerBottom, bottom }, 255, OUTLINE_COVER);
  shade(picture, { left, right: innerLeft, top: innerTop, bottom: innerBottom }, 255, OUTLINE_COVER);
  shade(picture, { left: innerRight, right, top: innerTop, bottom: innerBottom }, 255, OUTLINE_COVER);
}
