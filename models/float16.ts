/**
 * IEEE 754 half precision, which JavaScript had no array for before Node 24. A float16 tensor's bits travel in a
 * Uint16Array. Encoding rounds once, from the double, to nearest with ties to even; going through a single would
 * round twice and be wrong for some values.
 */

const EXPONENT_BIAS = 15;
const SIGNIFICAND_STEPS = 1_024;
/** The smallest normal half, 2^-14; below it the steps have one size. */
const SMALLEST_NORMAL = 2 ** -14;
const SMALLEST_SUBNORMAL = 2 ** -24;
/** Halfway between the largest half, 65504, and the next step: from here a tie or more rounds to Infinity. */
const OVERFLOW = 65_520;

const double = new Float64Array(1);
const doubleBits = new BigUint64Array(double.buffer);

/** The half nearest to the value, as its 16 bits. */
export function encodeFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= OVERFLOW) return sign | 0x7c00;
  if (magnitude < SMALLEST_NORMAL) return sign | roundHalfEven(magnitude / SMALLEST_SUBNORMAL);
  const exponent = exponentOf(magnitude);
  const significand = roundHalfEven((magnitude / 2 ** exponent) * SIGNIFICAND_STEPS);
  // Added, not or-ed: a significand that was rounded up to the next power of two carries into the exponent.
  return sign | (((exponent + EXPONENT_BIAS) << 10) + (significand - SIGNIFICAND_STEPS));
}

/** The value of a half's 16 bits, exactly. */
export function decodeFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const significand = bits & 0x3ff;
  if (exponent === 0x1f) return significand === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * significand * SMALLEST_SUBNORMAL;
  return sign * (1 + significand / SIGNIFICAND_STEPS) * 2 ** (exponent - EXPONENT_BIAS);
}

/** The exponent of a normal double, from its bits: a logarithm is off by one next to powers of two. */
function exponentOf(magnitude: number): number {
  double[0] = magnitude;
  return Number((doubleBits[0]! >> 52n) & 0x7ffn) - 1_023;
}

function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
