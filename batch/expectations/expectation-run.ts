/** What every kind of expectation is compiled from and to. */

import type { JsonValue } from "../../features/json-value.ts";
import type { Domain } from "./domain.ts";
import { missingColumn } from "./expectation-fault.ts";
import type { Outcome, ResultFormat } from "./result-format.ts";
import type { DomainChunk, TableColumn } from "./table-chunk.ts";

/** An expectation's kwargs, checked by suite.ts. */
export type Kwargs = Readonly<Record<string, JsonValue>>;

/** What an expectation is compiled with. */
export interface ExpectationContext {
  readonly columns: readonly TableColumn[];
  readonly kwargs: Kwargs;
  readonly format: ResultFormat;
  /** The rows it looks at. */
  readonly domain: Domain;
  /** All rows of the table. */
  readonly table: Domain;
}

/** One expectation while rows pass. Both may throw ExpectationFault. */
export interface ExpectationRun {
  /** Takes the next rows of its domain; left out where the domain's shared work is enough. */
  take?(chunk: DomainChunk): void;
  /** After the last row. */
  finish(): Outcome;
}

/** Decides what can be decided before a row is seen; throws ExpectationFault. */
export type CompileExpectation = (context: ExpectationContext) => ExpectationRun;

/** The place of a column, or the fault of a column that isn't there. */
export function columnIndex({ columns }: ExpectationContext, name: JsonValue | undefined, metrics: readonly string[]) {
  const index = columns.findIndex((column) => column.name === name);
  if (index < 0) throw missingColumn(String(name), metrics);
  return index;
}

/** `mostly`, 1 when it isn't given. */
export function mostlyOf({ mostly }: Kwargs): number {
  return mostly === undefined ? 1 : Number(mostly);
}
