/** The order of values of one kind, as Python has it: texts by code point, bytes by byte, numbers exactly. */

import type { FeatureValue } from "../../features/field.ts";

/** Less than 0, 0 or more than 0. Both are of one column and none is null. */
export function compareValues(one: FeatureValue, other: FeatureValue): number {
  if (typeof one === "string" && typeof other === "string") return compareTexts(one, other);
  if (one instanceof Uint8Array && other instanceof Uint8Array) return Buffer.compare(one, other);
  const [left, right] = [one as number, other as number];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** By code point; JavaScript's own order is by UTF-16 unit, which puts emoji before "ﬀ". */
export function compareTexts(one: string, other: string): number {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at++) {
    const [left, right] = [one.charCodeAt(at), other.charCodeAt(at)];
    if (left !== right) return surrogatesLast(left) - surrogatesLast(right);
  }
  return one.length - other.length;
}

const surrogatesLast = (unit: number) => (unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit);

/** How many code points a text has. */
export function codePointCount(text: string): number {
  let count = text.length;
  for (let at = 1; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit >= 0xdc00 && unit < 0xe000) {
      const before = text.charCodeAt(at - 1);
      if (before >= 0xd800 && before < 0xdc00) count--;
    }
  }
  return count;
}
