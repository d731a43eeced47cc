/**
 * What a materialization of a view has to read: its files in the order of their paths, and of each the interval that
 * is not in the online store yet. Every file that will be read is opened and checked here, before a row is written.
 */

import { HeadgateError } from "../errors.ts";
import type { ObjectStore, ObjectVersion } from "../object-store.ts";
import { incrementalInterval, type LoadedFile } from "./checkpoint.ts";
import { type LoadedView, openFileLoad } from "./file-load.ts";
import type { Interval } from "./interval.ts";
import { count } from "./report.ts";

/** Which events: those of [startUs, endUs), or what is new before endUs. */
export type MaterializeRange =
  | { readonly startUs: number; readonly endUs: number }
  | { readonly incremental: true; readonly endUs: number };

/** A file of the source. */
export interface PlannedFile {
  readonly path: string;
  readonly version: ObjectVersion;
  /** What the checkpoint knows of it. */
  readonly known: LoadedFile | undefined;
  /** Undefined: it has nothing new. */
  readonly interval: Interval | undefined;
}

/** A view's files and what there is to do. */
export interface ViewPlan {
  readonly files: readonly PlannedFile[];
  /** Rows of the row groups that will be read. */
  readonly rowsToRead: number;
  readonly warnings: readonly string[];
}

/** What a plan depends on. */
export interface ViewPlanOptions {
  readonly view: LoadedView;
  readonly objects: ObjectStore;
  readonly range: MaterializeRange;
  /** How far an incremental one looks back in files that it knows, µs. */
  readonly lookbackUs: number;
  readonly known: Readonly<Record<string, LoadedFile>>;
  readonly rangeRows: number;
  readonly signal: AbortSignal | undefined;
}

/** Plans. Throws SOURCE_NOT_FOUND, and what openFileLoad throws for a file that can't be loaded. */
export async function planView(options: ViewPlanOptions): Promise<ViewPlan> {
  const { view, objects, range, known: knownFiles, rangeRows } = options;
  const paths = await objects.list(view.source.path);
  if (paths.length === 0) {
    throw new HeadgateError(
      "SOURCE_NOT_FOUND",
      `Feature view "${view.name}": no file is at ${view.source.path}. Check the path of its fileSource; relative ones start at the project folder.`,
    );
  }
  const files: PlannedFile[] = [];
  const warnings: string[] = [];
  let rowsToRead = 0;
  for (const path of paths) {
    options.signal?.throwIfAborted();
    const version = await objects.stat(path);
    const known = Object.hasOwn(knownFiles, path) ? knownFiles[path] : undefined;
    const interval =
      "incremental" in range ? incrementalInterval(known, version.etag, range.endUs, options.lookbackUs) : range;
    files.push({ path, version, known, interval });
    if (interval === undefined) continue;
    const opened = await openFileLoad({ view, path, version, interval, rangeRows }, objects);
    rowsToRead += opened.rowsToRead;
    if (opened.largestRowGroupRows > rangeRows)
      warnings.push(largeRowGroups(path, opened.largestRowGroupRows, rangeRows));
  }
  return Object.freeze({ files, rowsToRead, warnings });
}

function largeRowGroups(path: string, rows: number, rangeRows: number): string {
  return `${path} has row groups of ${count(rows)} rows. They are read ${count(rangeRows)} at a time to bound memory, which decodes some pages twice: write row groups of at most that.`;
}
