/**
 * What defects are drawn on: `each` visits all pixels with their place in units, `paint` changes one, `mask` is 1 where a defect is.
 * @typedef {object} Canvas
 * @property {(draw: (x: number, y: number, at: number) => void) => void} each
 * @property {(at: number, change: (v: number, channel: number) => number) => void} paint
 * @property {Uint8Array} mask
 * @property {number} size pixels of its sides
 * @property {number} grow
 */

/** @typedef {{ x: number, y: number, radius: number }} Circle */
/** @typedef {readonly [number, number]} Point */

/**
 * How a pixel looks on a defect, of its place relative to the defect's centre: undefined where it is untouched.
 * @typedef {(dx: number, dy: number) => { change: (v: number, channel: number) => number, marked: boolean } | undefined} Look
 */

/** @param {number} v */
const share = (v) => Math.min(Math.max(v, 0), 1);

/** @param {Point} p @param {Point} a @param {Point} b */
function distanceToSegment([x, y], [ax, ay], [bx, by]) {
  const [ux, uy] = [bx - ax, by - ay];
  const length = ux * ux + uy * uy;
  const t = length === 0 ? 0 : share(((x - ax) * ux + (y - ay) * uy) / length);
  return Math.hypot(x - ax - t * ux, y - ay - t * uy);
}

/**
 * How much of a pixel a line covers, 0..1.
 * @param {number} dx
 * @param {number} dy
 * @param {readonly Point[]} line
 * @param {number} width
 */
function covered(dx, dy, line, width) {
  let nearest = Number.POSITIVE_INFINITY;
  for (let i = 1; i < line.length; i++)
    nearest = Math.min(nearest, distanceToSegment([dx, dy], /** @type {Point} */ (line[i - 1]), line[i]));
  return share(width / 2 - nearest + 0.5);
}

/**
 * One entry a class of the networks, with the range of its radius; all ranges are the stronger part of those that the networks were trained on.
 * @type {Readonly<Record<string, { radius: Point, look: (random: import("./noise.mjs").Random, radius: number) => Look }>>}
 */
const DEFECTS = {
  scratch: {
    radius: [13, 22],
    look: (random, radius) => {
      const angle = random.between(0, Math.PI);
      const bend = random.between(-3, 3);
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      const line = Array.from({ length: 24 }, (_, i) => {
        const t = -1 + (2 * i) / 23;
        const off = bend * (1 - t * t);
        return /** @type {Point} */ ([radius * t * c - off * s, radius * t * s + off * c]);
      });
      const width = random.between(1, 1.7);
      const strength = random.between(0.2, 0.32);
      return (dx, dy) => {
        const m = covered(dx, dy, line, width);
        return m > 0 ? { change: (v) => v + m * strength, marked: m > 0.12 } : undefined;
      };
    },
  },
  crack: {
    radius: [12, 19],
    look: (random, radius) => {
      /** @type {(from: Point, angle: number, length: number) => Point[]} */
      const walk = (from, angle, length) => {
        const points = [from];
        for (let i = 0; i < Math.floor(length / 2.2); i++) {
          angle += 0.55 * random.normal();
          const [x, y] = /** @type {Point} */ (points.at(-1));
          points.push([x + 2.2 * Math.cos(angle), y + 2.2 * Math.sin(angle)]);
        }
        return points;
      };
      const angle = random.between(0, 2 * Math.PI);
      const arms = [walk([0, 0], angle, radius), walk([0, 0], angle + Math.PI, radius)];
      const [arm] = arms;
      const branch = walk(/** @type {Point} */ (arm[arm.length >> 1]), angle + random.between(0.6, 1.2), radius / 2);
      const width = random.between(1, 1.6);
      const strength = random.between(0.22, 0.34);
      return (dx, dy) => {
        const m = Math.max(...arms.map((line) => covered(dx, dy, line, width)), covered(dx, dy, branch, 0.8));
        return m > 0 ? { change: (v) => v - m * strength, marked: m > 0.12 } : undefined;
      };
    },
  },
  dent: {
    radius: [7, 11],
    look: (random, radius) => {
      const light = random.between(0, 2 * Math.PI);
      const strength = random.between(0.14, 0.22);
      const s = radius / 2;
      return (dx, dy) => {
        const g = Math.exp(-(dx * dx + dy * dy) / (2 * s * s));
        if (g < 0.004) return undefined;
        const shade = ((g * (Math.cos(light) * dx + Math.sin(light) * dy)) / s) * 1.6 * strength;
        return { change: (v) => v + shade, marked: g > 0.2 };
      };
    },
  },
  stain: {
    radius: [8, 13],
    look: (random, radius) => {
      const waves = [2, 3, 5].map((f) => ({ f, height: random.between(0, 0.16), phase: random.between(0, 6.3) }));
      const colour = random.oneOf([
        [0.55, 0.75, 1],
        [1, 0.9, 0.55],
        [0.7, 0.7, 0.7],
        [0.6, 1, 0.8],
      ]);
      const alpha = random.between(0.35, 0.6);
      return (dx, dy) => {
        const angle = Math.atan2(dy, dx);
        const edge =
          radius * waves.reduce((sum, { f, height, phase }) => sum + height * Math.cos(f * angle + phase), 0.72);
        const m = share((edge - Math.hypot(dx, dy)) / 3 + 0.5);
        return m > 0 ? { change: (v, c) => v * (1 - m * alpha * (1 - colour[c])), marked: m > 0.3 } : undefined;
      };
    },
  },
  hole: {
    radius: [3.5, 6],
    look: (random, radius) => {
      const depth = random.between(0.5, 0.8);
      return (dx, dy) => {
        const d = Math.hypot(dx, dy);
        if (d > radius + 2) return undefined;
        const disc = share(radius - d + 0.5);
        const rim = share(1 - Math.abs(d - radius - 0.6)) * share((dx + dy) / radius);
        return { change: (v) => v * (1 - depth * disc) + 0.15 * rim, marked: d < radius + 0.7 };
      };
    },
  },
};

export const DEFECT_NAMES = Object.keys(DEFECTS);

/**
 * Draws a defect at a place of its own, clear of what is on the part, and marks it in the mask, grown by `grow` pixels.
 * @param {Canvas} canvas
 * @param {string} name
 * @param {import("./noise.mjs").Random} random
 * @param {readonly Circle[]} taken
 */
export function drawDefect({ each, paint, mask, size, grow }, name, random, taken) {
  const { radius: range, look: lookOf } = DEFECTS[name];
  const radius = random.between(...range);
  const { x: cx, y: cy } = placeFor(radius, random, taken);
  const look = lookOf(random, radius);
  each((x, y, at) => {
    if (Math.abs(x - cx) > 2 * radius || Math.abs(y - cy) > 2 * radius) return;
    const found = look(x - cx, y - cy);
    if (!found) return;
    paint(at, found.change);
    if (!found.marked) return;
    for (let dy = -grow; dy <= grow; dy++) mask.fill(1, at + dy * size - grow, at + dy * size + grow + 1);
  });
}

/**
 * @param {number} radius
 * @param {import("./noise.mjs").Random} random
 * @param {readonly Circle[]} taken
 */
function placeFor(radius, random, taken) {
  for (let tries = 0; tries < 1000; tries++) {
    const [x, y] = [random.between(radius + 3, 93 - radius), random.between(radius + 3, 93 - radius)];
    if (taken.every((one) => Math.hypot(x - one.x, y - one.y) > radius + one.radius + 3)) return { x, y };
  }
  throw new Error(`a part has no room for a defect with a radius of ${radius}`);
}
