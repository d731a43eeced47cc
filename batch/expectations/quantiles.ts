/**
 * Quantiles as numpy has them. The default, "nearest", takes the value at the place (n − 1) × q, a half to the even one:
 * so the quantile .5 of 1, 2, 3, 4 is 3, and is no median.
 *
 * Hyndman, R. J. and Fan, Y.: Sample quantiles in statistical packages (1996), as numpy.quantile names them.
 */

import type { FieldType } from "../../features/field.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { ExpectationFault } from "./expectation-fault.ts";
import { type CompileExpectation, columnIndex, type Kwargs } from "./expectation-run.ts";
import { aggregateOutcome } from "./result-format.ts";

/** How a quantile between two values is found. */
const INTERPOLATIONS = ["nearest", "linear", "lower", "higher", "midpoint"] as const;
type Interpolation = (typeof INTERPOLATIONS)[number];

/** The quantile of ascending values; NaN of nothing. */
export function quantileOf(sorted: Float64Array, share: number, interpolation: Interpolation = "nearest"): number {
  if (sorted.length === 0) return Number.NaN;
  const place = (sorted.length - 1) * share;
  const [below, above] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
  switch (interpolation) {
    case "lower":
      return below;
    case "higher":
      return above;
    case "midpoint":
      return (below + above) / 2;
    case "linear":
      return lerp(below, above, place - Math.floor(place));
    default:
      return sorted[halfToEven(place)]!;
  }
}

/** numpy's, which is exact at both ends. */
function lerp(below: number, above: number, part: number): number {
  const step = above - below;
  return part >= 0.5 ? above - step * (1 - part) : below + step * part;
}

function halfToEven(place: number): number {
  const floor = Math.floor(place);
  const part = place - floor;
  return part < 0.5 || (part === 0.5 && floor % 2 === 0) ? floor : floor + 1;
}

const RELATIVE = 1e-4;
const ABSOLUTE = 1e-8;

/** Inside the bounds, or nearly at one of them. */
function isMet(value: number, low: number, high: number): boolean {
  const isClose = (bound: number) =>
    value === bound || (Number.isFinite(bound) && Math.abs(value - bound) <= ABSOLUTE + RELATIVE * Math.abs(bound));
  return isClose(low) || isClose(high) || (low <= value && value <= high);
}

interface QuantileRanges {
  readonly quantiles: readonly number[];
  readonly value_ranges: readonly (readonly [JsonValue, JsonValue])[];
}

const METRICS = ["column.quantile_values"];

/** expect_column_quantile_values_to_be_between */
export const quantilesBetween: CompileExpectation = (context) => {
  const { kwargs, columns, domain, format } = context;
  const index = columnIndex(context, kwargs.column, METRICS);
  const { type } = columns[index]!;
  const kept = domain.kept(index, METRICS);
  const statistics = domain.statistics(index);
  const { quantiles, value_ranges: ranges } = kwargs.quantile_ranges as unknown as QuantileRanges;
  const interpolation = interpolationOf(kwargs);
  return {
    finish() {
      refuse(type, statistics.nonNull);
      const values = quantiles.map((share) => quantileOf(kept.sorted(), Number(share), interpolation));
      const met = values.map((value, at) => isMet(value, ...limits(ranges[at]!)));
      const observed = { quantiles: [...quantiles], values: values.map((value) => shown(type, value)) };
      const result = { observed_value: observed, details: { success_details: met } };
      return aggregateOutcome(met.every(Boolean), result, format);
    },
  };
};

/** Texts and bytes are no numbers, and a timestamp is none that could be compared with its bounds. */
function refuse({ kind }: FieldType, nonNull: number): void {
  if (kind === "timestamp") {
    throw new ExpectationFault("float() argument must be a string or a real number, not 'Timestamp'");
  }
  if (kind !== "string" && kind !== "bytes") return;
  throw new ExpectationFault("Quantiles are of numbers only.", nonNull === 0 ? METRICS : undefined);
}

function interpolationOf({ allow_relative_error: how }: Kwargs): Interpolation {
  const isKnown = how === undefined || how === false || INTERPOLATIONS.includes(how as Interpolation);
  if (isKnown) return (how || "nearest") as Interpolation;
  throw new ExpectationFault(`allow_relative_error must be one of ${INTERPOLATIONS.join(", ")}, or false.`, METRICS);
}

/** null is no bound. */
function limits([low, high]: readonly [JsonValue, JsonValue]): [number, number] {
  return [
    low === null ? Number.NEGATIVE_INFINITY : Number(low),
    high === null ? Number.POSITIVE_INFINITY : Number(high),
  ];
}

function shown({ kind }: FieldType, value: number): JsonValue {
  if (Number.isNaN(value)) return null;
  return kind === "bool" ? value === 1 : value;
}
