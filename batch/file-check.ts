/**
 * A suite of expectations over the rows of a load, in a pass of its own before anything is written. It sees the columns
 * as the files have them, after the conversion to the view's types: join keys, fields, and the times under the names that
 * the source gives them. Rows of other times than the interval's are none of the load's, and are left out.
 */

import { sortedJoinKeys } from "../features/entity-key.ts";
import { type FeatureValue, timestamp } from "../features/field.ts";
import { isEventTimestampUs } from "../features/timestamp.ts";
import type { ExpectationSuite } from "./expectations/suite.ts";
import { type SuiteRunOptions, startSuite } from "./expectations/suite-run.ts";
import type { TableChunk, TableColumn } from "./expectations/table-chunk.ts";
import type { ValidationResult } from "./expectations/validation-result.ts";
import { type OnDecode, type RangeRead, rangeReads, type ViewRows } from "./file-load.ts";
import type { LoadedView } from "./file-open.ts";
import type { FileTails } from "./file-tail.ts";
import type { Interval } from "./interval.ts";
import { startedAhead } from "./started-ahead.ts";

/** Which rows to check, by what. Plain, so that it can be handed to a thread. */
export interface FileCheck extends Pick<ViewRows, "view" | "files" | "rangeRows"> {
  readonly suite: ExpectationSuite;
  readonly names: Pick<SuiteRunOptions, "runTime" | "runName" | "assetName">;
}

/** Ranges read before their turn. */
const AHEAD = { works: 2, weight: 1 };

/** Runs the suite. Throws what openFile and its read throw. */
export async function checkFiles(check: FileCheck, tails: FileTails, onDecode: OnDecode): Promise<ValidationResult> {
  const { view, files, suite, names } = check;
  const columns = columnsOf(view);
  const eventColumn = Object.keys(view.joinKeys).length + Object.keys(view.schema).length;
  const run = startSuite(suite, columns, names);
  for await (const read of startedAhead(rangeReads(check, tails, onDecode), AHEAD)) {
    onDecode(files[read.file]!.path, read.range.start);
    run.take(chunkOf(read, eventColumn, files[read.file]!.interval));
  }
  tails.clear();
  return run.finish();
}

/** As an opened file gives them. */
function columnsOf({ joinKeys, schema, source }: LoadedView): readonly TableColumn[] {
  const times = [source.timestampField, ...(source.createdField === undefined ? [] : [source.createdField])];
  return [
    ...sortedJoinKeys(joinKeys).map((name) => ({ name, type: joinKeys[name]! })),
    ...Object.entries(schema).map(([name, type]) => ({ name, type })),
    ...times.map((name) => ({ name, type: timestamp() })),
  ];
}

function chunkOf({ values }: RangeRead, eventColumn: number, { startUs, endUs }: Interval): TableChunk {
  const events = values[eventColumn]!;
  // A row whose time is none is a bad row of this load, to be seen.
  const isTaken = (event: unknown) => !isEventTimestampUs(event) || (event >= startUs && event < endUs);
  const places = events.flatMap((event, place) => (isTaken(event) ? [place] : []));
  const isWhole = places.length === events.length;
  const taken = (column: readonly unknown[]) => (isWhole ? column : places.map((place) => column[place]));
  return { rowCount: places.length, columns: values.map((column) => taken(column) as readonly FeatureValue[]) };
}
