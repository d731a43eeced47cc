/**
 * Expectations on the text of each value: patterns and lengths. Great Expectations takes str(value), so 1.0 is matched as
 * "1.0". How pandas writes integers and timestamps depends on the whole column (an integer column with a null is one of
 * floats), so for these all of the texts are checked as rows pass and the end says which ones count.
 */

import type { JsonValue } from "../../features/json-value.ts";
import { boundsOf, isWithin } from "./bounds.ts";
import { ExpectationFault } from "./expectation-fault.ts";
import {
  type CompileExpectation,
  columnIndex,
  type ExpectationContext,
  type ExpectationRun,
} from "./expectation-run.ts";
import { columnOutcome, NON_NULL } from "./map-expectations.ts";
import { compilePythonRegex } from "./python-regex.ts";
import { compileText, type TextStyle, textStyles } from "./python-text.ts";
import { startUnexpected } from "./result-format.ts";
import { type ColumnChunk, rowAt } from "./table-chunk.ts";
import { codePointCount } from "./value-order.ts";

type IsExpected = (text: string) => boolean;

/** `missing` are the metrics that fail without the column, `failing` those that fail on a value. */
interface Metrics {
  readonly missing: readonly string[];
  readonly failing: readonly string[];
}

function matched(context: ExpectationContext, metrics: Metrics, compile: () => IsExpected): ExpectationRun {
  const { domain, table, columns, kwargs, format } = context;
  const index = columnIndex(context, kwargs.column, metrics.missing);
  const isExpected = compile();
  const { type } = columns[index]!;
  const variants = textStyles(type).map((style) => ({
    style,
    text: compileText(type, style),
    unexpected: startUnexpected(format),
  }));
  const inTable = table.statistics(index);
  let style: TextStyle = "plain";
  domain.statistics(index);
  return {
    take(chunk) {
      const column = chunk.column(index);
      if (type.kind === "timestamp") style = finerStyle(style, column);
      for (const { text, unexpected } of variants) {
        for (let place = 0; place < column.count; place++) {
          const value = column.values[place]!;
          if (value === null || Number.isNaN(value) || isExpected(textOf(text, value, metrics.failing))) continue;
          unexpected.add([value], rowAt(chunk, place));
        }
      }
    },
    finish() {
      if (type.kind !== "timestamp" && inTable.nonNull < table.rowCount) style = "float";
      const { unexpected } = variants.find((variant) => variant.style === style) ?? variants[0]!;
      return columnOutcome(context, index, unexpected);
    },
  };
}

function textOf(text: (value: never) => string, value: unknown, metrics: readonly string[]): string {
  try {
    return text(value as never);
  } catch {
    throw new ExpectationFault("'utf-8' codec can't decode the bytes of a value", metrics);
  }
}

const US_PER_MILLISECOND = 1_000;
const US_PER_SECOND = 1_000_000;

/** The style that has digits enough for these timestamps too. */
function finerStyle(style: TextStyle, { numbers, count }: ColumnChunk): TextStyle {
  let finer = style;
  for (let place = 0; place < count && finer !== "microseconds"; place++) {
    const timestampUs = numbers![place]!;
    if (Number.isNaN(timestampUs) || timestampUs % US_PER_SECOND === 0) continue;
    finer = timestampUs % US_PER_MILLISECOND === 0 ? "milliseconds" : "microseconds";
  }
  return finer;
}

const conditions = (condition: string): Metrics => ({ missing: [condition, NON_NULL], failing: [condition] });

/** A pattern as a search; the fault of one that Python, or we, can't compile. */
function search(regex: JsonValue | undefined, metrics: readonly string[]): IsExpected {
  const pattern = compilePythonRegex(String(regex));
  if (typeof pattern === "string") throw new ExpectationFault(pattern, metrics);
  return (text) => pattern.test(text);
}

/** expect_column_values_to_match_regex */
export const valuesMatch: CompileExpectation = (context) => {
  const metrics = conditions("column_values.match_regex.condition");
  return matched(context, metrics, () => search(context.kwargs.regex ?? "(?s).*", metrics.failing));
};

/** expect_column_values_to_not_match_regex */
export const valuesNotMatch: CompileExpectation = (context) => {
  const metrics = conditions("column_values.not_match_regex.condition");
  return matched(context, metrics, () => {
    const isMatch = search(context.kwargs.regex, metrics.failing);
    return (text) => !isMatch(text);
  });
};

/** expect_column_values_to_match_regex_list */
export const valuesMatchList: CompileExpectation = (context) => {
  const metrics = conditions("column_values.match_regex_list.condition");
  return matched(context, metrics, () => {
    const regexes = context.kwargs.regex_list as readonly JsonValue[];
    const searches = regexes.map((regex) => search(regex, metrics.failing));
    const isAll = context.kwargs.match_on === "all";
    return (text) => (isAll ? searches.every((isMatch) => isMatch(text)) : searches.some((isMatch) => isMatch(text)));
  });
};

const LENGTHS: Metrics = {
  missing: ["column_values.value_length.map", NON_NULL],
  failing: ["column_values.value_length.map"],
};

/** expect_column_value_lengths_to_equal: in code points. */
export const lengthsEqual: CompileExpectation = (context) => {
  const length = Number(context.kwargs.value);
  return matched(context, LENGTHS, () => (text) => codePointCount(text) === length);
};

/** expect_column_value_lengths_to_be_between: in code points. */
export const lengthsBetween: CompileExpectation = (context) => {
  const bounds = boundsOf(context.kwargs);
  return matched(context, LENGTHS, () => (text) => isWithin(bounds, codePointCount(text)));
};
