/** Shares as percent, the one way in which reports and the page of a parity run write them. */

/**
 * A share in 0..1 as a number of percent without its sign. Two decimals at most, more where it takes them to differ from
 * 0, from 100 and from the share it is held against: what is past a limit of 1 must not be written as 1.
 */
export function percentNumber(share: number, limit = 0): string {
  const value = share * 100;
  if (value === 0 || share === 1) return String(Math.abs(value));
  const distances = [value, 100 - value, value - limit * 100].map(Math.abs).filter((distance) => distance > 0);
  const decimals = Math.min(Math.max(2, 1 - Math.floor(Math.log10(Math.min(...distances)))), DECIMALS_MAX);
  const text = value.toFixed(decimals);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** More of them a share of a double does not have. */
const DECIMALS_MAX = 12;
