/**
 * What a materialization of a view has to read: its files in the order of their paths, and of each the interval that
 * is not in the online store yet. Every file that will be read is opened and checked here, before a row is written.
 */

import { HeadgateError } from "../errors.ts";
import type { ObjectStore, ObjectVersion } from "../object-store.ts";
import { incrementalInterval, type LoadedFile } from "./checkpoint.ts";
import type { FileSummary, FileToOpen, LoadedView } from "./file-open.ts";
import type { Interval } from "./interval.ts";
import { count } from "./report.ts";
import { startedAhead } from "./started-ahead.ts";

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
  /** What there is to do; undefined: it has nothing new. */
  readonly work: { readonly interval: Interval; readonly summary: FileSummary } | undefined;
}

/** A view's files and what there is to do. */
export interface ViewPlan {
  readonly files: readonly PlannedFile[];
  /** Rows of the row groups that will be read. */
  readonly rowsToRead: number;
  readonly bytesRead: number;
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
  /** See IncrementalBounds. */
  readonly mayHaveLost: boolean;
  readonly rangeRows: number;
  /** Opens a file; see FileEncoder. */
  readonly open: (file: FileToOpen) => Promise<FileSummary>;
  readonly signal: AbortSignal | undefined;
}

/** Files opened at once: over a network most of the time goes by waiting. */
const OPEN_AT_ONCE = 16;
/** The most files that warnings are told of. */
const WARNINGS_MOST = 3;

/** Plans. Throws SOURCE_NOT_FOUND, and what openFile throws for the first file that can't be loaded. */
export async function planView(options: ViewPlanOptions): Promise<ViewPlan> {
  const { view, objects, range, known: knownFiles, rangeRows, signal } = options;
  const listed = await objects.list(view.source.path);
  if (listed.length === 0) {
    throw new HeadgateError(
      "SOURCE_NOT_FOUND",
      `Feature view "${view.name}": no file is at ${view.source.path}. Check the path of its fileSource; relative ones start at the project folder.`,
    );
  }
  const bounds = { endUs: range.endUs, lookbackUs: options.lookbackUs, mayHaveLost: options.mayHaveLost };
  const openings = listed.map(({ path, version }) => ({
    weight: 1,
    begin: async (): Promise<PlannedFile> => {
      const known = Object.hasOwn(knownFiles, path) ? knownFiles[path] : undefined;
      const interval = "incremental" in range ? incrementalInterval(known, version.etag, bounds) : range;
      if (interval === undefined) return { path, version, known, work: undefined };
      const summary = await options.open({ view, path, version, interval: boundsOf(interval), rangeRows });
      return { path, version, known, work: { interval, summary } };
    },
  }));
  const files: PlannedFile[] = [];
  for await (const file of startedAhead(openings, { works: OPEN_AT_ONCE, weight: OPEN_AT_ONCE })) {
    signal?.throwIfAborted();
    files.push(file);
  }
  const summaries = files.flatMap(({ work }) => work?.summary ?? []);
  return Object.freeze({
    files,
    rowsToRead: sumOf(summaries, ({ rowsToRead }) => rowsToRead),
    bytesRead: sumOf(summaries, ({ bytesRead }) => bytesRead),
    warnings: warningsOf(files),
  });
}

/** A range of a run is more than an interval; a thread is told no more than it needs. */
function boundsOf({ startUs, endUs }: Interval): Interval {
  return { startUs, endUs };
}

function sumOf<T>(list: readonly T[], of: (one: T) => number): number {
  return list.reduce((sum, one) => sum + of(one), 0);
}

function warningsOf(files: readonly PlannedFile[]): readonly string[] {
  const large = files.flatMap(({ path, work }) =>
    work === undefined || work.summary.largestRowGroupRows === 0 ? [] : [largeRowGroups(path, work.summary)],
  );
  const told = large.slice(0, WARNINGS_MOST);
  const more = large.length - told.length;
  return more === 0
    ? told
    : [...told, `${count(more)} more files have row groups that are too large to be read whole.`];
}

function largeRowGroups(path: string, { largestRowGroupRows, rowsAtOnce }: FileSummary): string {
  return `${path} has row groups of ${count(largestRowGroupRows)} rows. They are read ${count(rowsAtOnce)} at a time to bound memory, which decodes some pages twice: write row groups of at most that.`;
}
