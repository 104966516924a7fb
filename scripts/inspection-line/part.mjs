import { drawDefect } from "./defects.mjs";
import { createRandom, noise } from "./noise.mjs";

/**
 * A part as the camera sees it. Places are in units of the networks' input: its visible square goes from 0 to 96.
 * @typedef {object} PartType
 * @property {(random: import("./noise.mjs").Random, size: number, scale: number) => Float32Array} texture
 * @property {readonly [number, number, number]} base red, green and blue, 0..1
 * @property {readonly { x: number, y: number, radius: number }[]} bolts
 * @property {{ x: number, y: number, width: number, height: number }} label
 */

/** @type {Readonly<Record<"plate" | "slab", PartType>>} */
export const PARTS = {
  plate: {
    texture: (random, size, scale) => noise(random, size, 10 * scale, 0.5 * scale).map((v) => 0.022 * v),
    base: [0.56, 0.57, 0.6],
    bolts: [
      { x: 15, y: 15, radius: 5.5 },
      { x: 81, y: 81, radius: 5.5 },
    ],
    label: { x: 77, y: 14, width: 12, height: 6 },
  },
  slab: {
    texture: (random, size, scale) => {
      const [fine, middle, coarse] = [0.6, 2, 7].map((sigma) => noise(random, size, sigma * scale));
      return fine.map((v, i) => 0.018 * v + 0.016 * middle[i] + 0.02 * coarse[i]);
    },
    base: [0.5, 0.47, 0.43],
    bolts: [{ x: 48, y: 12, radius: 6 }],
    label: { x: 20, y: 80, width: 13, height: 7 },
  },
};

/** Units of the part on each side beyond what the camera is to see: no place is exact. */
const MARGIN = 4;
/** Pixels a unit. */
export const SCALE = 2;
/** Pixels of a part's sides. */
export const PART_PIXELS = (96 + 2 * MARGIN) * SCALE;

/** @param {number} v @param {number} low @param {number} high */
export const clamp = (v, low, high) => Math.min(Math.max(v, low), high);

/**
 * Renders one part: `rgb` 0..1, row-major, and `mask`, 1 where its defect is.
 * @param {{ type: keyof typeof PARTS, label: string, seed: number }} wanted `label`: `ok`, or the class of its defect
 */
export function renderPart({ type, label, seed }) {
  const random = createRandom(seed);
  const part = PARTS[type];
  const size = PART_PIXELS;
  const texture = part.texture(random, size, SCALE);
  const shade = random.between(0.97, 1.03);
  const tilt = random.between(0.09, 0.13);
  const rgb = new Float32Array(3 * size * size);
  const mask = new Uint8Array(size * size);
  /** @type {(draw: (x: number, y: number, at: number) => void) => void} */
  const each = (draw) => {
    for (let at = 0; at < size * size; at++)
      draw(((at % size) + 0.5) / SCALE - MARGIN, (Math.floor(at / size) + 0.5) / SCALE - MARGIN, at);
  };
  /** @type {(at: number, change: (v: number, channel: number) => number) => void} */
  const paint = (at, change) => {
    for (let c = 0; c < 3; c++) rgb[3 * at + c] = change(rgb[3 * at + c], c);
  };
  const canvas = { each, paint, mask, size, grow: SCALE };

  each((x, y, at) => {
    const [u, v] = [x / 96 - 0.5, y / 96 - 0.5];
    const light = 1 + tilt * (u + v) - 0.15 * (u * u + v * v);
    paint(at, (_, c) => shade * (part.base[c] + texture[at]) * light);
  });
  if (label !== "ok") {
    const taken = [...part.bolts, { ...part.label, radius: Math.hypot(part.label.width, part.label.height) }];
    drawDefect(canvas, label, random, taken);
  }
  for (const bolt of part.bolts) drawBolt(canvas, bolt, random.between(0, Math.PI));
  drawLabel(canvas, part.label);
  each((_x, _y, at) => {
    const grain = 0.012 * random.normal();
    paint(at, (v) => clamp(v + grain, 0, 1));
  });
  return { rgb, mask };
}

/** @typedef {Parameters<typeof drawDefect>[0]} Canvas */

/**
 * A bright disc with a dark ring and a slot.
 * @param {Canvas} canvas
 * @param {{ x: number, y: number, radius: number }} bolt
 * @param {number} angle
 */
function drawBolt({ each, paint }, bolt, angle) {
  each((x, y, at) => {
    const [dx, dy] = [x - bolt.x, y - bolt.y];
    const distance = Math.hypot(dx, dy);
    if (distance > bolt.radius + 2) return;
    const disc = clamp(bolt.radius - distance + 0.5, 0, 1);
    const ring = clamp(1.2 - Math.abs(distance - bolt.radius), 0, 1);
    const along = Math.abs(Math.cos(angle) * dx + Math.sin(angle) * dy);
    const across = Math.abs(-Math.sin(angle) * dx + Math.cos(angle) * dy);
    const slot = clamp(1.15 - across, 0, 1) * clamp(0.75 * bolt.radius - along + 0.5, 0, 1) * disc;
    const sheen = 0.12 + (0.1 * (dx * 0.7 + dy * 0.7)) / bolt.radius;
    paint(at, (v) => v + disc * sheen - ring * 0.22 - slot * 0.28);
  });
}

/**
 * A pale sticker with two lines of print.
 * @param {Canvas} canvas
 * @param {PartType["label"]} label
 */
function drawLabel({ each, paint }, { x: cx, y: cy, width, height }) {
  const paper = [0.85, 0.85, 0.82];
  each((x, y, at) => {
    const [dx, dy] = [x - cx, y - cy];
    const inside = clamp(width - Math.abs(dx) + 0.5, 0, 1) * clamp(height - Math.abs(dy) + 0.5, 0, 1);
    if (inside === 0) return;
    const print = [-height + 2.5, -height + 5.7].some((line) => Math.abs(dy - line) < 0.5 && Math.abs(dx) < width - 2);
    paint(at, (v, c) => v * (1 - inside) + inside * paper[c] - (print ? 0.35 : 0));
  });
}
