/**
 * The Kullback–Leibler divergence of a column from an expected distribution, as scipy.stats.entropy has it: natural
 * logarithm, both sides normalised. Numbers are counted in the expected bins (the last one closed on the right), with
 * what lies outside as tails; other values one by one.
 */

import type { FieldType } from "../../features/field.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { ExpectationFault, notComparable, pythonType } from "./expectation-fault.ts";
import {
  type CompileExpectation,
  columnIndex,
  type ExpectationContext,
  type ExpectationRun,
} from "./expectation-run.ts";
import { Histogram } from "./histogram.ts";
import type { KeptColumn } from "./kept-column.ts";
import { resultValue } from "./python-text.ts";
import { quantileOf } from "./quantiles.ts";
import { aggregateOutcome, type Outcome } from "./result-format.ts";
import { isNumeric } from "./table-chunk.ts";
import { asMember, membersOf } from "./value-set.ts";

/** The sum of p × ln(p / q) after both are normalised; infinite where q is 0 and p is not, NaN of nothing. */
function klDivergence(observed: readonly number[], expected: readonly number[]): number {
  const [observedSum, expectedSum] = [sumOf(observed), sumOf(expected)];
  let divergence = 0;
  for (const [at, weight] of observed.entries()) {
    const [p, q] = [weight / observedSum, expected[at]! / expectedSum];
    if (Number.isNaN(p) || Number.isNaN(q)) return Number.NaN;
    if (p > 0) divergence += q > 0 ? p * Math.log(p / q) : Number.POSITIVE_INFINITY;
  }
  return divergence;
}

const sumOf = (weights: readonly number[]) => weights.reduce((sum, weight) => sum + weight, 0);

interface Partition {
  readonly bins?: readonly number[];
  readonly values?: readonly JsonValue[];
  readonly weights?: readonly number[];
  readonly tail_weights?: readonly number[];
}

const isClose = (sum: number) => Math.abs(sum - 1) <= 1e-8 + 1e-5;

function isCategorical({ values, weights }: Partition): boolean {
  return values !== undefined && weights !== undefined && values.length === weights.length && isClose(sumOf(weights));
}

function isContinuous({ bins, weights, tail_weights: tails = [0, 0] }: Partition): boolean {
  if (bins === undefined || weights === undefined || tails.length !== 2) return false;
  const isAscending = bins.every((edge, at) => at === 0 || edge > bins[at - 1]!);
  return bins.length === weights.length + 1 && isAscending && isClose(sumOf([...weights, ...tails]));
}

/** expect_column_kl_divergence_to_be_less_than */
export const klDivergenceLess: CompileExpectation = (context) => {
  const missing = ["column_values.between.count", "column.histogram", "column_values.null.condition"];
  const index = columnIndex(context, context.kwargs.column, missing);
  const { type } = context.columns[index]!;
  const partition = (context.kwargs.partition_object ?? undefined) as Partition | undefined;
  context.domain.statistics(index);
  if (partition === undefined) return againstItself(context, index, type);
  if (isCategorical(partition)) return categorical(context, index, type, partition);
  if (!isContinuous(partition)) throw new ExpectationFault("Invalid partition_object provided");
  return continuous(context, index, type, partition);
};

/** Without a partition the column is compared with its own, which shows how it is distributed. */
function againstItself(context: ExpectationContext, index: number, type: FieldType): ExpectationRun {
  const kept = context.domain.kept(index, ["column.value_counts"]);
  if (context.kwargs.bucketize_data === false) {
    return { finish: () => categoricalOutcome(context, type, kept, undefined) };
  }
  if (!isNumeric(type) || type.kind === "timestamp") throw numbersOnly(type);
  return {
    finish() {
      const bins = automaticBins(kept.sorted());
      const histogram = new Histogram(bins);
      histogram.take(kept.sorted(), kept.sorted().length);
      const weights = [...histogram.counts].map((count) => count / kept.sorted().length);
      const tail = (1 - sumOf(weights)) / 2;
      const partition = { bins, weights, tail_weights: [tail, tail] };
      if (!isContinuous(partition)) throw new ExpectationFault("Invalid partition object.");
      return continuousOutcome(context, index, partition, histogram);
    },
  };
}

/** The most bins of a column's own partition. One value far away makes any number of them; numpy takes what memory there is. */
const BINS_MAX = 10_000;

/** numpy's "auto": the larger number of Sturges and Freedman–Diaconis. Throws ExpectationFault past BINS_MAX. */
function automaticBins(sorted: Float64Array): readonly number[] {
  if (sorted.length === 0) return [Number.NaN];
  const [least, low, high, greatest] = [0, 0.25, 0.75, 1].map((share) => quantileOf(sorted, share)) as [
    number,
    number,
    number,
    number,
  ];
  if (!Number.isFinite(least) || !Number.isFinite(greatest)) {
    const detail = `autodetected range of [${least}, ${greatest}] is not finite. Give a partition_object.`;
    throw new ExpectationFault(detail, ["column.partition"]);
  }
  const sturges = Math.ceil(Math.log2(sorted.length + 1));
  const width = (2 * (high - low)) / Math.cbrt(sorted.length);
  const count = high - low < 1e-10 ? sturges : Math.max(sturges, Math.ceil((greatest - least) / width));
  if (count > BINS_MAX) {
    const detail = `The column's own partition would have ${count} bins; ${BINS_MAX} are the most.`;
    throw new ExpectationFault(`${detail} Give a partition_object.`);
  }
  const step = (greatest - least) / count;
  return Array.from({ length: count + 1 }, (_, at) => (at === count ? greatest : least + at * step));
}

function numbersOnly(type: FieldType): ExpectationFault {
  const { kind } = type;
  const metrics = ["column_values.between.count", ...(kind === "timestamp" ? [] : ["column.histogram"])];
  if (kind !== "timestamp") return notComparable("<", pythonType(type), "float", metrics);
  return new ExpectationFault("Invalid comparison between dtype=datetime64[us, UTC] and int", metrics);
}

function continuous(context: ExpectationContext, index: number, type: FieldType, partition: Partition): ExpectationRun {
  if (type.kind === "timestamp") throw numbersOnly(type);
  const histogram = new Histogram(partition.bins!.map(Number));
  return {
    take(chunk) {
      const { numbers, values, count } = chunk.column(index);
      if (numbers !== undefined) return histogram.take(numbers, count);
      for (let place = 0; place < count; place++) if (values[place] !== null) throw numbersOnly(type);
    },
    finish: () => continuousOutcome(context, index, partition, histogram),
  };
}

interface Holdouts {
  readonly tail: number;
  readonly internal: number;
}

function holdoutsOf({ kwargs }: ExpectationContext): Holdouts {
  return { tail: Number(kwargs.tail_weight_holdout ?? 0), internal: Number(kwargs.internal_weight_holdout ?? 0) };
}

function continuousOutcome(
  context: ExpectationContext,
  index: number,
  partition: Partition,
  histogram: Histogram,
): Outcome {
  const { tail, internal } = holdoutsOf(context);
  if (tail !== 0 && partition.tail_weights !== undefined) {
    throw new ExpectationFault("tail_weight_holdout must be 0 when using tail_weights in partition object");
  }
  if (context.kwargs.bucketize_data === false) {
    const detail =
      "KL Divergence cannot be computed with a continuous partition object and the bucketize_data parameter set to false.";
    throw new ExpectationFault(detail);
  }
  const { nonNull } = context.domain.statistics(index);
  const observed = [...histogram.counts].map((count) => count / nonNull);
  const observedTails = [histogram.below / nonNull, histogram.above / nonNull] as const;
  const expected = filledWeights(
    partition.weights!.map((weight) => Number(weight) * (1 - tail - internal)),
    internal,
  );
  const expectedTails = (partition.tail_weights ?? [tail / 2, tail / 2]) as readonly [number, number];
  const divergence = klDivergence(
    [observedTails[0], ...observed, observedTails[1]],
    [expectedTails[0], ...expected, expectedTails[1]],
  );
  const side = (weights: readonly number[], tails: readonly number[]) => ({
    bins: partition.bins!.map(nullForNan),
    weights: weights.map(nullForNan),
    tail_weights: tails.map(nullForNan),
  });
  return divergenceOutcome(context, divergence, side(observed, observedTails), side(expected, expectedTails));
}

/** Bins that nothing was expected in share the internal holdout. */
function filledWeights(weights: readonly number[], internal: number): readonly number[] {
  const zeros = weights.filter((weight) => weight === 0).length;
  return internal > 0 ? weights.map((weight) => (weight === 0 ? internal / zeros : weight)) : weights;
}

function categorical(
  context: ExpectationContext,
  index: number,
  type: FieldType,
  partition: Partition,
): ExpectationRun {
  const kept = context.domain.kept(index, ["column.value_counts"]);
  return { finish: () => categoricalOutcome(context, type, kept, partition) };
}

function categoricalOutcome(
  context: ExpectationContext,
  type: FieldType,
  kept: KeptColumn,
  partition: Partition | undefined,
): Outcome {
  const { tail, internal } = holdoutsOf(context);
  if (internal > 0) throw new ExpectationFault("Internal weight holdout cannot be used for discrete data.");
  const occurrences = kept.occurrences();
  const nonNull = occurrences.reduce((sum, { count }) => sum + count, 0);
  const shares = new Map(occurrences.map(({ value, count }) => [asMember(type, value), count / nonNull] as const));
  const known = (partition?.values ?? []).map((value) => [...membersOf(type, [value], true)][0]);
  const expectedMembers = new Set<unknown>(known.filter((member) => member !== undefined));
  const unknown = occurrences.filter(({ value }) => !expectedMembers.has(asMember(type, value)));
  const isOwn = partition === undefined;
  const scale = unknown.length > 0 ? 1 - tail : 1;
  const values = [...(partition?.values ?? []), ...unknown.map(({ value }) => resultValue(type, value))];
  const observed = [
    ...known.map((member) => (member === undefined ? 0 : (shares.get(member) ?? 0))),
    ...unknown.map(({ count }) => count / nonNull),
  ];
  const expected = isOwn
    ? observed
    : [...partition.weights!.map((weight) => Number(weight) * scale), ...unknown.map(() => tail / unknown.length)];
  const side = (weights: readonly number[]) => ({ values, weights: weights.map(nullForNan) });
  return divergenceOutcome(context, klDivergence(observed, expected), side(observed), side(expected));
}

const nullForNan = (weight: number) => (Number.isNaN(weight) ? null : weight);

function divergenceOutcome(
  { kwargs, format }: ExpectationContext,
  divergence: number,
  observed: JsonValue,
  expected: JsonValue,
): Outcome {
  const { threshold } = kwargs;
  const isMet = threshold === undefined || threshold === null || divergence <= Number(threshold);
  const details = { observed_partition: observed, expected_partition: expected };
  return aggregateOutcome(isMet, { observed_value: Number.isFinite(divergence) ? divergence : null, details }, format);
}
