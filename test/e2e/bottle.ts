/** A rectangle in frame pixels. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The right bottle of the shipped film, seen by eye; it fills a fifth of the watched region. */
export const BOTTLE: Box = { x: 506, y: 105, width: 68, height: 212 };
/** So many frames from the first one on it stands there. */
export const BOTTLE_STANDS = 900;
/** Frames with no bottle in the watched region. */
export const NO_BOTTLE = { from: 965, to: 1040 };

export const isIn = ([x, y]: [number, number], box: Box): boolean =>
  x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height;

/** Pixels that two boxes share. */
export function overlapOf(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return width > 0 && height > 0 ? width * height : 0;
}
