/**
 * What makes an expectation an exception result: a column that isn't there, a text where numbers are compared, a
 * condition that can't be translated. The suite goes on. Great Expectations tells two kinds apart: faults of a metric,
 * which are keyed by the metric's id and come first in the results, and faults of the expectation itself.
 */

import type { FieldType } from "../../features/field.ts";

/** Thrown while an expectation is compiled or runs; becomes its result. */
export class ExpectationFault extends Error {
  override readonly name = "ExpectationFault";
  /** The metrics that failed; undefined when the expectation itself did. */
  readonly metrics: readonly string[] | undefined;

  constructor(message: string, metrics?: readonly string[]) {
    super(message);
    this.metrics = metrics;
  }
}

/** The fault of a suite that names a column which the table lacks. */
export function missingColumn(name: string, metrics: readonly string[]): ExpectationFault {
  return new ExpectationFault(`Error: The column "${name}" in BatchData does not exist.`, metrics);
}

/** What Python calls the type of a column's values. */
export function pythonType({ kind, list }: FieldType): string {
  if (list) return "list";
  const names: Partial<Record<FieldType["kind"], string>> = { string: "str", timestamp: "Timestamp", bool: "bool" };
  return names[kind] ?? (kind.startsWith("int") ? "int" : kind.startsWith("float") ? "float" : "bytes");
}

/** The fault of an order between values that have none, in Python's words. */
export function notComparable(operator: string, left: string, right: string, metrics?: readonly string[]) {
  return new ExpectationFault(`'${operator}' not supported between instances of '${left}' and '${right}'`, metrics);
}
