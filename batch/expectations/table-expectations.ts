/** Expectations on the table itself: how many rows, which columns. They need no pass of their own. */

import type { JsonValue } from "../../features/json-value.ts";
import { countOutcome, equalCountOutcome } from "./aggregate-expectations.ts";
import type { CompileExpectation, ExpectationContext } from "./expectation-run.ts";
import { aggregateOutcome, type Outcome } from "./result-format.ts";
import { compareTexts } from "./value-order.ts";

/** expect_table_row_count_to_be_between */
export const rowCountBetween: CompileExpectation = (context) => ({
  finish: () => countOutcome(context, context.domain.rowCount),
});

/** expect_table_row_count_to_equal */
export const rowCountEqual: CompileExpectation = (context) => ({
  finish: () => equalCountOutcome(context, context.domain.rowCount),
});

/** expect_table_column_count_to_be_between */
export const columnCountBetween: CompileExpectation = (context) => ({
  finish: () => countOutcome(context, context.columns.length),
});

/** expect_table_column_count_to_equal */
export const columnCountEqual: CompileExpectation = (context) => ({
  finish: () => equalCountOutcome(context, context.columns.length),
});

const names = ({ columns }: ExpectationContext) => columns.map(({ name }) => name);

/** expect_column_to_exist: a missing column is an ordinary failure, not a fault. */
export const columnExists: CompileExpectation = (context) => {
  const { column, column_index: place } = context.kwargs;
  const found = names(context);
  // Place 0 is looked at like none, as there; places below 0 count from the end.
  const isThere = place ? found.at(Number(place)) === column : found.includes(String(column));
  return { finish: () => ({ success: isThere, result: {} }) };
};

/** expect_table_columns_to_match_set */
export const columnsMatchSet: CompileExpectation = (context) => ({ finish: () => setOutcome(context) });

function setOutcome(context: ExpectationContext): Outcome {
  const { kwargs, format } = context;
  const expected = new Set((kwargs.column_set ?? []) as readonly string[]);
  const found = new Set(names(context));
  const unexpected = [...found].filter((name) => !expected.has(name)).sort(compareTexts);
  const missing = [...expected].filter((name) => !found.has(name)).sort(compareTexts);
  const observed = { observed_value: [...found].sort(compareTexts) };
  if (unexpected.length + missing.length === 0) return aggregateOutcome(true, observed, format);
  const mismatched = {
    ...(unexpected.length > 0 ? { unexpected } : {}),
    ...(missing.length > 0 ? { missing } : {}),
  };
  const success = kwargs.exact_match === false && missing.length === 0;
  return aggregateOutcome(success, { ...observed, details: { mismatched } }, format);
}

/** expect_table_columns_to_match_ordered_list */
export const columnsMatchList: CompileExpectation = (context) => ({ finish: () => listOutcome(context) });

function listOutcome(context: ExpectationContext): Outcome {
  const { kwargs, format } = context;
  const found = names(context);
  const expected = (kwargs.column_list ?? found) as readonly JsonValue[];
  const mismatched: JsonValue[] = [];
  for (let at = 0; at < Math.max(expected.length, found.length); at++) {
    const [wanted, there] = [expected[at] ?? null, found[at] ?? null];
    if (wanted !== there) mismatched.push({ "Expected Column Position": at, Expected: wanted, Found: there });
  }
  if (mismatched.length === 0) return aggregateOutcome(true, { observed_value: found }, format);
  return aggregateOutcome(false, { observed_value: found, details: { mismatched } }, format);
}
