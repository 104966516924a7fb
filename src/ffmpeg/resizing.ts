import { type Interpolation, type ModelView, RESAMPLING } from "../fit.js";
import type { Fitting, Rect } from "../frame.js";

/** ffmpeg's filters that come nearest to those of Pillow, widened as a picture shrinks. It has no others: see `docs/models.md`. */
const SCALERS: Readonly<Record<Interpolation, string>> = {
  nearest: "neighbor",
  box: "area",
  bilinear: "bilinear",
  hamming: "bilinear",
  bicubic: "bicubic",
  lanczos: "lanczos",
};
const ACCURATE = "accurate_rnd+full_chroma_int+full_chroma_inp";

/** Resized pixels beyond what is cut out: the widest filter reaches so far. */
const REACH = 4;
/** How many pixels further out a border is looked for that lies between two pixels of the source as well. */
const SEARCHED = 24;
/** Resized pixels that such a border may lie beside one. */
const NEAR_ENOUGH = 1 / 64;
/** Where no border lies that near, all is resized, if it is not so many times what is cut out. */
const MAX_EXCESS = 8;

/** A part of one axis: pixels of the source, and those that they are resized to. */
export interface Span {
  source: { from: number; to: number };
  resized: { from: number; to: number };
}

/**
 * The part of an axis that is resized so that what is cut out of it is as if all had been: what the model does not see
 * need not be computed.
 * @param length pixels of the source, resized to `resized`, of which `from` to `to` are wanted
 */
export function spanOf(length: number, resized: number, from: number, to: number): Span {
  const ratio = length / resized;
  // Of a picture that grows, borders of the source's pixels lie far apart.
  const searched = Math.max(SEARCHED, Math.ceil(1 / ratio));
  const border = (start: number, step: 1 | -1) => {
    let best: { at: number; source: number; off: number } | undefined;
    for (let k = 0; k <= searched && !(best && best.off <= NEAR_ENOUGH); k++) {
      const at = Math.min(resized, Math.max(0, start + step * k));
      const source = Math.round(at * ratio);
      const off = Math.abs(source - at * ratio) / ratio;
      if (!best || off < best.off) best = { at, source, off };
    }
    return best!;
  };
  const [low, high] = [border(from - REACH, -1), border(to + REACH, 1)];
  const isNear = Math.max(low.off, high.off) <= NEAR_ENOUGH;
  if (!isNear && resized <= MAX_EXCESS * (to - from))
    return { source: { from: 0, to: length }, resized: { from: 0, to: resized } };
  const first = Math.min(low.source, length - 1);
  return { source: { from: first, to: Math.max(first + 1, high.source) }, resized: { from: low.at, to: high.at } };
}

const cropTo = ({ x, y, width, height }: Rect): string => `crop=${width}:${height}:${x}:${y}:exact=1`;

/** Filters that resize the watched part of a frame and cut out what the model sees. */
export function resizing({ source, resized, cut }: Fitting, { resampling = RESAMPLING }: ModelView): string[] {
  const across = spanOf(source.width, resized.width, cut.x, cut.x + cut.width);
  const down = spanOf(source.height, resized.height, cut.y, cut.y + cut.height);
  const read: Rect = {
    x: source.x + across.source.from,
    y: source.y + down.source.from,
    width: across.source.to - across.source.from,
    height: down.source.to - down.source.from,
  };
  const [width, height] = [across, down].map((span) => span.resized.to - span.resized.from) as [number, number];
  const seen = { ...cut, x: cut.x - across.resized.from, y: cut.y - down.resized.from };
  const isWhole = cut.width === width && cut.height === height;
  return [
    cropTo(read),
    `scale=${width}:${height}:flags=${SCALERS[resampling.interpolation]}+${ACCURATE}`,
    "format=rgb24",
    ...(isWhole ? [] : [cropTo(seen)]),
  ];
}
