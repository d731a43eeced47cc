/**
 * Whether a value is what another becomes on its way through a narrower type: the trace that a pipeline leaves which
 * holds float64 as float32, int64 as a double, or either as int32.
 */

import { canonicalInteger, type FeatureValue } from "../../features/field.ts";

/** True when `online` is not `offline` but is what a narrower type makes of it; of lists, when that explains every element. */
export function isNarrowed(online: FeatureValue, offline: FeatureValue): boolean {
  if (Array.isArray(online) && Array.isArray(offline)) {
    if (online.length !== offline.length) return false;
    const differing = offline.flatMap((value, i) => (Object.is(value, online[i]) ? [] : [i]));
    return differing.length > 0 && differing.every((i) => isNarrowed(online[i]!, offline[i]!));
  }
  return narrowerForms(offline).some((form) => Object.is(form, online)) && !Object.is(online, offline);
}

function narrowerForms(value: FeatureValue): readonly FeatureValue[] {
  if (typeof value === "number") {
    const truncated = Math.trunc(value) + 0;
    const int32 = (truncated | 0) === truncated ? [truncated] : Number.isInteger(value) ? [wrapped(BigInt(value))] : [];
    return [Math.fround(value), ...int32];
  }
  if (typeof value !== "bigint") return [];
  const double = Number(value);
  return [canonicalInteger(BigInt(double)), canonicalInteger(BigInt(Math.fround(double))), wrapped(value)];
}

function wrapped(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}
