/** Whether the lower half of a 64-bit integer stands first in memory, as on all processors that engines run on. */
const LOW = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 0 : 1;
const HALF = 2 ** 32;
const LIMIT = 2 ** 63;

/** Whole numbers as 64 bits, the nearest that they hold; without an object for each, as BigInt makes. */
export function toInt64(numbers: ArrayLike<number>): BigInt64Array {
  const out = new BigInt64Array(numbers.length);
  const halves = new Int32Array(out.buffer);
  for (let k = 0; k < numbers.length; k++) {
    const v = numbers[k]!;
    // Above the largest, all bits but the sign.
    halves[2 * k + LOW] = v >= LIMIT ? -1 : v < -LIMIT ? 0 : v | 0;
    halves[2 * k + 1 - LOW] = v >= LIMIT ? 0x7fffffff : v < -LIMIT ? -(2 ** 31) : Math.floor(v / HALF);
  }
  return out;
}

/** 64-bit integers as the nearest numbers. */
export function fromInt64(integers: BigInt64Array | BigUint64Array): Float64Array {
  const { buffer, byteOffset, length } = integers;
  const lows = new Uint32Array(buffer, byteOffset, 2 * length);
  const highs = integers instanceof BigUint64Array ? lows : new Int32Array(buffer, byteOffset, 2 * length);
  const out = new Float64Array(length);
  for (let k = 0; k < length; k++) out[k] = highs[2 * k + 1 - LOW]! * HALF + lows[2 * k + LOW]!;
  return out;
}
