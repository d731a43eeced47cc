/** What a materialization did, per view, as it is printed: JSON in the field's snake case, or one line for people. */

import type { ErrorCode } from "../errors.ts";
import type { WriteOutcome } from "../features/store/online-store.ts";
import { BAD_SAMPLES, type BadRow, type RowCounts } from "./row-batch.ts";
import type { Shard } from "./shard.ts";

/** What is counted while a view loads. Of rows_read, those not outside are written, stale, equal, superseded or bad. */
export interface LoadCounts {
  /** Files that were read. */
  files: number;
  /** Files that had nothing new. */
  files_skipped: number;
  rows_read: number;
  rows_written: number;
  /** The store had something newer. */
  rows_stale: number;
  /** The store had them already. */
  rows_equal: number;
  /** A later row of the same entity came in the same batch. */
  rows_superseded: number;
  /** Read, but of another time than the interval's. */
  rows_outside: number;
  /** Not read, and not among rows_read: by its statistics all of their row group is of another time. */
  rows_skipped: number;
  rows_bad: number;
  /** The first bad rows; `row` is the row number in the file, from 0. */
  bad_samples: readonly BadRow[];
  bytes_read: number;
  warnings: readonly string[];
}

/** One of several shards that load a view. */
export interface ShardProgress extends Shard {
  /** How many are done, this one included; the view is materialized when all are. */
  readonly done: number;
}

/** What became of a view, or of a shard's part of it. */
export interface ViewReport extends Readonly<LoadCounts> {
  readonly view: string;
  readonly status: "done" | "failed" | "aborted";
  readonly seconds: number;
  readonly rows_per_second: number;
  /** The end that the view is materialized to, RFC 3339; null before its first materialization is done. */
  readonly checkpoint: string | null;
  /** Present for a shard that is done: the counts are its own. */
  readonly shard?: ShardProgress;
  /** Why it failed. */
  readonly error?: { readonly code: ErrorCode; readonly detail: string };
}

/** What a run did. */
export interface MaterializeReport {
  readonly run: string;
  /** True when every view is done. */
  readonly ok: boolean;
  readonly views: readonly ViewReport[];
}

/** Nothing yet. */
export function emptyCounts(): LoadCounts {
  return {
    files: 0,
    files_skipped: 0,
    rows_read: 0,
    rows_written: 0,
    rows_stale: 0,
    rows_equal: 0,
    rows_superseded: 0,
    rows_outside: 0,
    rows_skipped: 0,
    rows_bad: 0,
    bad_samples: [],
    bytes_read: 0,
    warnings: [],
  };
}

/** Counts what was read. */
export function addBatch(counts: LoadCounts, batch: RowCounts): void {
  counts.rows_read += batch.read;
  counts.rows_outside += batch.outside;
  counts.rows_superseded += batch.superseded;
  counts.rows_bad += batch.bad;
  counts.bad_samples = [...counts.bad_samples, ...batch.badSamples].slice(0, BAD_SAMPLES);
  counts.bytes_read += batch.bytesRead;
}

/** Counts what the store made of rows. */
export function addOutcomes(counts: LoadCounts, outcomes: readonly WriteOutcome[]): void {
  for (const outcome of outcomes) counts[OUTCOME[outcome]]++;
}

const OUTCOME = { written: "rows_written", stale: "rows_stale", equal: "rows_equal" } as const;

/** The most bad rows that are told to people; the JSON has all samples. */
const BAD_ROWS_SHOWN = 3;

/** One line for people, and below it one for each warning and for the first bad rows. */
export function formatViewReport(report: ViewReport): string {
  const bad = report.bad_samples
    .slice(0, BAD_ROWS_SHOWN)
    .map(({ file, row, reason }) => `row ${row} of ${file}: ${reason}`);
  return [summary(report), ...[...report.warnings, ...bad].map((line) => `  ${line}`)].join("\n");
}

function summary(report: ViewReport): string {
  const { view, status, seconds } = report;
  if (report.error !== undefined) return `${view}: ${status}. ${report.error.detail} [${report.error.code}]`;
  if (status === "aborted") return `${view}: stopped after ${rows(report.rows_read)}; the checkpoint has not moved.`;
  if (report.files === 0)
    return `${view}: nothing ${report.shard === undefined ? "new" : "to load"}; ${stand(report)}.`;
  const outside = report.rows_outside + report.rows_skipped;
  const parts = [
    `${count(report.rows_written)} written`,
    ...[report.rows_equal && `${count(report.rows_equal)} there already`],
    ...[report.rows_stale && `${count(report.rows_stale)} older than the store's`],
    ...[report.rows_superseded && `${count(report.rows_superseded)} superseded`],
    ...[outside && `${count(outside)} outside the interval`],
    ...[report.rows_bad && `${count(report.rows_bad)} bad`],
  ].filter((part) => typeof part === "string");
  const files = report.files === 1 ? "1 file" : `${count(report.files)} files`;
  const rate = `${seconds.toFixed(1)} s, ${count(report.rows_per_second)} rows/s`;
  return `${view}: ${rows(report.rows_read + report.rows_skipped)} of ${files} (${parts.join(", ")}) in ${rate}; ${stand(report)}.`;
}

function stand({ shard, checkpoint }: ViewReport): string {
  if (shard === undefined || shard.done === shard.of) return `materialized to ${checkpoint}`;
  return `shard ${shard.index} of ${shard.of} done, ${shard.of - shard.done} to come`;
}

/** A whole number with separators. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** "1 row", "2,000 rows". */
export function rows(value: number): string {
  return value === 1 ? "1 row" : `${count(value)} rows`;
}
