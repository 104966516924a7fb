const LARGEST = 65504;
/** Bits of the mantissa that float32 has and float16 has not. */
const SHIFT = 13;
/** The smallest normal number of float16 is 2^-14. */
const SMALLEST_EXPONENT = 113;

/**
 * The bits of the nearest numbers of IEEE 754's binary16, ties to even. What is larger than its largest becomes that, as a
 * weight is rather 65504 than infinite.
 */
export function toFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let k = 0; k < values.length; k++) halves[k] = half(bits[k]!, values[k]!);
  return halves;
}

function half(bits: number, value: number): number {
  const sign = (bits >>> 16) & 0x8000;
  if (Number.isNaN(value)) return sign | 0x7e00;
  if (Math.abs(value) >= LARGEST) return sign | 0x7bff;
  const exponent = (bits >>> 23) & 0xff;
  const mantissa = bits & 0x7fffff;
  if (exponent >= SMALLEST_EXPONENT) {
    // A mantissa that rounds up to the next power of two carries into the exponent, as it should.
    const above = ((exponent - SMALLEST_EXPONENT + 1) << 10) | (mantissa >>> SHIFT);
    return sign | (above + up(mantissa, SHIFT, above));
  }
  const shift = SHIFT + SMALLEST_EXPONENT - exponent;
  if (shift > 24) return sign;
  const whole = mantissa | 0x800000;
  const above = whole >>> shift;
  return sign | (above + up(whole, shift, above));
}

/** 1 where what `shift` bits cut off is more than half of the last bit that stays, or half of an odd one. */
function up(mantissa: number, shift: number, kept: number): 0 | 1 {
  const cut = mantissa & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  return cut > middle || (cut === middle && kept & 1) ? 1 : 0;
}
