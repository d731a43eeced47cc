/**
 * Expectations on the different values of a column, nulls left out. `observed_value` is null, as it is there: what differs
 * is listed instead, at most 20 of either side.
 */

import type { FeatureValue, FieldType } from "../../features/field.ts";
import type { JsonValue } from "../../features/json-value.ts";
import { type CompileExpectation, columnIndex, type ExpectationContext } from "./expectation-run.ts";
import type { KeptColumn, Occurrences } from "./kept-column.ts";
import { numpyTimeText, resultValue } from "./python-text.ts";
import { aggregateOutcome, PARTIAL_COUNT, type ResultDetail } from "./result-format.ts";
import { asMember, membersOf } from "./value-set.ts";

const NOT_IN_SET = ["column.distinct_values.not_in_set.count", "column.distinct_values.not_in_set"];
const MISSING = ["column.distinct_values.missing_from_column.count", "column.distinct_values.missing_from_column"];

interface Difference {
  readonly unexpected: readonly FeatureValue[];
  readonly missing: readonly JsonValue[];
}

function difference(type: FieldType, kept: KeptColumn, valueSet: readonly JsonValue[]): Difference {
  const expected = membersOf(type, valueSet, true);
  const values = kept.occurrences().map(({ value }) => value);
  const present = new Set(values.map((value) => asMember(type, value)));
  return {
    unexpected: values.filter((value) => !expected.has(asMember(type, value)!)),
    missing: uniqueMembers(valueSet).filter((one) => !isPresent(type, present, one)),
  };
}

function isPresent(type: FieldType, present: ReadonlySet<unknown>, one: JsonValue): boolean {
  const [member] = membersOf(type, [one], true);
  return member !== undefined && present.has(member);
}

/** As Python's set has them: 1, 1.0 and true are one. */
function uniqueMembers(valueSet: readonly JsonValue[]): readonly JsonValue[] {
  const found = new Map<unknown, JsonValue>();
  for (const one of valueSet) {
    const key = typeof one === "boolean" ? Number(one) : one;
    if (!found.has(key)) found.set(key, one);
  }
  return [...found.values()];
}

const compared =
  (
    metrics: readonly string[],
    isExpected: (found: Difference) => boolean,
    of: (keyof Difference)[],
  ): CompileExpectation =>
  (context) => {
    const { kwargs, columns, domain, format } = context;
    const index = columnIndex(context, kwargs.column, metrics);
    const { type } = columns[index]!;
    const kept = domain.kept(index, metrics);
    const finish = () => {
      const found = difference(type, kept, kwargs.value_set as readonly JsonValue[]);
      return aggregateOutcome(isExpected(found), { observed_value: null, ...listed(type, found, of) }, format);
    };
    return { finish };
  };

function listed(type: FieldType, { unexpected, missing }: Difference, of: (keyof Difference)[]): ResultDetail {
  const shown = unexpected.slice(0, PARTIAL_COUNT).map((value) => resultValue(type, value));
  return {
    ...(of.includes("unexpected") ? { unexpected_count: unexpected.length, partial_unexpected_list: shown } : {}),
    ...(of.includes("missing")
      ? { missing_count: missing.length, partial_missing_list: missing.slice(0, PARTIAL_COUNT) }
      : {}),
  };
}

/** expect_column_distinct_values_to_be_in_set */
export const distinctInSet = compared(NOT_IN_SET, ({ unexpected }) => unexpected.length === 0, ["unexpected"]);

/** expect_column_distinct_values_to_contain_set */
export const distinctContainSet = compared(MISSING, ({ missing }) => missing.length === 0, ["missing"]);

/** expect_column_distinct_values_to_equal_set */
export const distinctEqualSet = compared(
  [...NOT_IN_SET, ...MISSING],
  ({ unexpected, missing }) => unexpected.length + missing.length === 0,
  ["unexpected", "missing"],
);

/** expect_column_most_common_value_to_be_in_set: all of the most frequent values are observed. */
export const modeInSet: CompileExpectation = (context) => {
  const { kwargs, columns, domain, format } = context;
  const metrics = ["column.most_common_value"];
  const index = columnIndex(context, kwargs.column, metrics);
  const { type } = columns[index]!;
  const kept = domain.kept(index, metrics);
  const finish = () => {
    const modes = modesOf(kept.occurrences());
    const expected = membersOf(type, kwargs.value_set as readonly JsonValue[], false);
    const found = modes.filter((value) => expected.has(asMember(type, value)!)).length;
    const success = kwargs.ties_okay === true ? found > 0 : modes.length === 1 && found === 1;
    return aggregateOutcome(
      success,
      { observed_value: modes.map((value) => shownMode(context, index, value)) },
      format,
    );
  };
  return { finish };
};

function modesOf(occurrences: readonly Occurrences[]): readonly FeatureValue[] {
  let most = 0;
  for (const { count } of occurrences) if (count > most) most = count;
  return occurrences.filter(({ count }) => count === most).map(({ value }) => value);
}

function shownMode({ columns }: ExpectationContext, index: number, value: FeatureValue): JsonValue {
  const { type } = columns[index]!;
  return type.kind === "timestamp" ? numpyTimeText(value as number) : resultValue(type, value);
}
