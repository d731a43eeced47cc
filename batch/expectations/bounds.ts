/**
 * `min_value`, `max_value`, `strict_min`, `strict_max`. A bound is a number or a date, as Great Expectations has it; a
 * date without a zone is UTC.
 */

import type { JsonValue } from "../../features/json-value.ts";
import { parseTimestampValueUs } from "../../features/timestamp.ts";
import type { Kwargs } from "./expectation-run.ts";

/** A range; a bound that isn't given is undefined. Dates are µs since the epoch. */
export interface Bounds {
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly isMinStrict: boolean;
  readonly isMaxStrict: boolean;
  /** What the bounds are, undefined when there are none. */
  readonly of: "number" | "date" | undefined;
}

/** Reads the four kwargs. */
export function boundsOf(kwargs: Kwargs): Bounds {
  const given = [kwargs.min_value, kwargs.max_value].filter((bound) => bound !== null && bound !== undefined);
  return {
    min: boundOf(kwargs.min_value),
    max: boundOf(kwargs.max_value),
    isMinStrict: kwargs.strict_min === true,
    isMaxStrict: kwargs.strict_max === true,
    of: given.length === 0 ? undefined : given.some((bound) => typeof bound === "string") ? "date" : "number",
  };
}

function boundOf(bound: JsonValue | undefined): number | undefined {
  if (bound === null || bound === undefined) return undefined;
  return Number(typeof bound === "string" ? parseTimestampValueUs(bound) : bound);
}

/** True for a value inside; never for NaN, unless there is no bound. */
export function isWithin({ min, max, isMinStrict, isMaxStrict }: Bounds, value: number): boolean {
  const isAbove = min === undefined || (isMinStrict ? value > min : value >= min);
  return isAbove && (max === undefined || (isMaxStrict ? value < max : value <= max));
}
