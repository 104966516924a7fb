import { DEFECT_NAMES } from "./defects.mjs";
import { createRandom } from "./noise.mjs";
import { clamp, PART_PIXELS, renderPart } from "./part.mjs";

/** The film's pictures. */
export const FRAME = { width: 640, height: 360 };
/** What the camera's model sees of them: where each part comes to stand. */
export const REGION = { x: 224, y: 84, width: 192, height: 192 };
/** Pixels that the belt goes on from one picture to the next. */
const PITCH = 232;
/** Of the parts, how many have a defect. */
const DEFECTIVE = 0.3;

/**
 * The classes of the parts that come by, in their order: some have a defect, of each class as many.
 * @param {number} count
 */
export function partsOfLine(count, seed = 1) {
  const random = createRandom(seed);
  let defects = 0;
  // The first are good: what a reject is shows against them.
  return Array.from({ length: count }, (_, k) =>
    random.next() < DEFECTIVE && k > 1 ? DEFECT_NAMES[defects++ % DEFECT_NAMES.length] : "ok",
  );
}

/**
 * Pictures of a line, as a camera takes them that each part triggers as it comes to stand below: RGB, 3 bytes a pixel, and
 * where there is a defect its mask, a byte a pixel, 255 inside.
 * @param {readonly string[]} labels
 * @param {keyof typeof import("./part.mjs").PARTS} [type] which part comes by
 */
export function* renderLine(labels, type = "plate") {
  const { width, height } = FRAME;
  /** @param {number} k */
  const partAt = (k) => {
    const at = (k + labels.length) % labels.length;
    const random = createRandom(7919 + at);
    const place = { dx: Math.round(random.between(-1.4, 1.4)), dy: Math.round(random.between(-1.4, 1.4)) };
    return { ...renderPart({ type, label: labels[at], seed: 104_729 + at }), ...place };
  };
  let [before, here] = [partAt(-1), partAt(0)];
  for (let k = 0; k < labels.length; k++) {
    const next = partAt(k + 1);
    const rgb = belt(k);
    const mask = new Uint8Array(width * height);
    // Parts come in from the left.
    [next, here, before].forEach((part, slot) => {
      const left = REGION.x + REGION.width / 2 - PART_PIXELS / 2 + (slot - 1) * PITCH + part.dx;
      const top = REGION.y + REGION.height / 2 - PART_PIXELS / 2 + part.dy;
      for (let y = 0; y < PART_PIXELS; y++)
        for (let x = Math.max(0, -left); x < Math.min(PART_PIXELS, width - left); x++) {
          const [from, to] = [y * PART_PIXELS + x, (top + y) * width + left + x];
          for (let c = 0; c < 3; c++) rgb[3 * to + c] = part.rgb[3 * from + c];
          if (slot === 1 && part.mask[from] === 1) mask[to] = 255;
        }
    });
    yield {
      label: labels[k],
      rgb: Uint8Array.from(rgb, (v) => Math.round(255 * clamp(v, 0, 1))),
      mask: labels[k] === "ok" ? undefined : mask,
    };
    [before, here] = [here, next];
  }
}

/**
 * The belt between two rails, empty; its ribs go on with it.
 * @param {number} k
 */
function belt(k) {
  const { width, height } = FRAME;
  const rgb = new Float32Array(3 * width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const rail = Math.min(y, height - 1 - y) < 44;
      const edge = Math.abs(Math.min(y, height - 1 - y) - 44) < 2;
      const rib = (x - k * PITCH + 1000 * 29) % 29 < 2;
      const level = edge
        ? 0.09
        : rail
          ? 0.3 + 0.05 * Math.cos((Math.min(y, height - 1 - y) - 20) / 9)
          : rib
            ? 0.13
            : 0.17;
      for (let c = 0; c < 3; c++) rgb[3 * (y * width + x) + c] = level * (c === 2 ? 1.08 : 1);
    }
  return rgb;
}
