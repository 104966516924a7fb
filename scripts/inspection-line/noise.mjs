/**
 * Numbers that are the same for the same seed on every machine (mulberry32).
 * @param {number} seed
 */
export function createRandom(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  /** @param {number} low @param {number} high */
  const between = (low, high) => low + (high - low) * next();
  return {
    next,
    between,
    /** Of the normal distribution (Box and Muller). */
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    /** A whole number from 0 to `count` − 1. @param {number} count */
    below: (count) => Math.floor(next() * count),
    /** @template T @param {readonly T[]} of @returns {T} */
    oneOf: (of) => /** @type {T} */ (of[Math.floor(next() * of.length)]),
  };
}

/** @typedef {ReturnType<typeof createRandom>} Random */

/**
 * A square of noise with standard deviation 1, row-major, blurred by so many pixels in x and in y.
 * @param {Random} random
 * @param {number} size
 * @param {number} sigmaX
 */
export function noise(random, size, sigmaX, sigmaY = sigmaX) {
  const white = Float32Array.from({ length: size * size }, () => random.normal());
  const blurred = blur(blur(white, size, sigmaX, 1, size), size, sigmaY, size, 1);
  const deviation = Math.sqrt(blurred.reduce((sum, v) => sum + v * v, 0) / blurred.length);
  return blurred.map((v) => v / deviation);
}

/**
 * Gaussian blur along one axis, mirrored at the border.
 * @param {Float32Array} values
 * @param {number} size
 * @param {number} sigma
 * @param {number} along step from one value to the next
 * @param {number} across step from one line to the next
 */
function blur(values, size, sigma, along, across) {
  const radius = Math.ceil(3 * sigma);
  const kernel = Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma)));
  const sum = kernel.reduce((a, b) => a + b, 0);
  const result = new Float32Array(values.length);
  for (let line = 0; line < size; line++)
    for (let i = 0; i < size; i++) {
      let total = 0;
      for (let k = -radius; k <= radius; k++) {
        const at = Math.abs(i + k);
        const mirrored = at < size ? at : 2 * size - 2 - at;
        total += kernel[k + radius] * values[line * across + mirrored * along];
      }
      result[line * across + i * along] = total / sum;
    }
  return result;
}
