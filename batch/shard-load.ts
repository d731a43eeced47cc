/**
 * A shard's part of a view's materialization: it makes the plan or finds it made, loads the rows that are its own, says
 * so, and, when it is the last to say so, moves the checkpoint for all.
 *
 * Each step may be done twice: a shard that was killed is run again, finds the plan, and writes rows that are there
 * already; one that is killed after the last row finds that only the checkpoint is left to move.
 */

import { HeadgateError } from "../errors.ts";
import { recordMaterialized } from "../features/materialized-view.ts";
import { type LoadedFile, loadedFile, moveCheckpoint } from "./checkpoint.ts";
import type { FileToLoad } from "./file-open.ts";
import { throughOutage } from "./outage.ts";
import { emptyCounts, type ShardProgress } from "./report.ts";
import { checkBadRows, type EventSpan, flowRows, joinSpans, NO_EVENTS } from "./row-flow.ts";
import { nextHistory, readHistory, readStart, rowsMayBeLost } from "./run-start.ts";
import { type Shard, touchesFile } from "./shard.ts";
import { choosePlan } from "./shard-choice.ts";
import {
  dropPlan,
  forgetDone,
  isFinished,
  listingOf,
  planIsReplaced,
  type ReadPlan,
  readDone,
  readPlan,
  recordDone,
  replacePlan,
  type ShardDone,
  type ShardFileWork,
  type ShardPlan,
} from "./shard-plan.ts";
import { outageBoundsOf, recordRunOrigin, type ViewLoadOptions, type ViewRun } from "./view-run.ts";

/**
 * Loads a shard; how many of them are done then. Throws what flowRows and choosePlan throw, CONTROL_CONFLICT when the plan
 * was replaced meanwhile, STORE_UNREACHABLE when the store may have lost rows. What no shard can mend drops the plan.
 */
export async function loadShard(run: ViewRun, shard: Shard): Promise<ShardProgress> {
  const { options } = run;
  const { control } = options.store;
  const view = options.view.name;
  const plan = await choosePlan(run, shard);
  if (plan === undefined) return { ...shard, done: shard.of };
  const outage = outageBoundsOf(options);
  try {
    if (!(await throughOutage(() => readDone(control, view, plan), outage)).has(shard.index)) {
      const done = await loadPart(run, shard, plan);
      // The token is checked by renewing it: who has lost its lease must not speak for the shard.
      await throughOutage(() => run.lease.renew(), outage);
      await checkHistory(options, plan);
      await throughOutage(() => recordDone(control, view, shard, done), outage);
    }
    const all = await throughOutage(() => readDone(control, view, plan), outage);
    if (all.size === shard.of) await finish(run, shard, plan, all);
    return { ...shard, done: all.size };
  } catch (cause) {
    if (cause instanceof Hopeless) {
      await throughOutage(() => dropPlan(control, view, plan), outage).catch(() => {});
      throw cause.failure;
    }
    throw cause;
  }
}

/** Loads what is this shard's. */
async function loadPart(run: ViewRun, shard: Shard, plan: ShardPlan): Promise<ShardDone> {
  const { options, counts } = run;
  const rowsTotal = plan.rows_to_read;
  const places: number[] = [];
  const files: FileToLoad[] = [];
  for (const [place, { path, etag, bytes, last_modified_ms, work }] of plan.files.entries()) {
    if (work === undefined) continue;
    const share = { shard, rowsBefore: work.rows_before, rowsTotal };
    if (!touchesFile(share, work.rows_to_read)) continue;
    places.push(place);
    const interval = { startUs: work.start_us ?? Number.NEGATIVE_INFINITY, endUs: work.end_us };
    files.push({ path, version: { etag, bytes, lastModifiedMs: last_modified_ms }, interval, share });
  }
  counts.files = files.length;
  const events: Record<number, readonly [number, number]> = {};
  if (files.length > 0) {
    const paths = plan.files.flatMap(({ path, work }) => (work === undefined ? [] : [path]));
    const originId = await recordRunOrigin(options, plan.run, paths);
    const planned = { ...run, options: { ...options, rangeRows: plan.range_rows } };
    const rowsToRead = Math.ceil(rowsTotal / shard.of);
    const spans = await flowRows(planned, { files, originId, rowsToRead, rowsTotal }).catch((cause: unknown) => {
      throw failureOfPart(cause, plan);
    });
    for (const [i, { firstEventUs, lastEventUs }] of spans.entries()) {
      if (firstEventUs <= lastEventUs) events[places[i]!] = [firstEventUs, lastEventUs];
    }
  }
  const { rows_read, rows_outside, rows_bad, rows_written, bad_samples } = counts;
  const at_ms = options.now();
  return { run: plan.run, at_ms, rows_read, rows_outside, rows_bad, rows_written, bad_samples, events };
}

function failureOfPart(cause: unknown, { run }: ShardPlan): unknown {
  if (!(cause instanceof HeadgateError)) return cause;
  // One shard's bad rows alone are more than all rows allow.
  if (cause.code === "TOO_MANY_BAD_ROWS") return new Hopeless(cause);
  if (cause.code !== "SOURCE_CHANGED") return cause;
  const detail = cause.message.replace(/ while it was read; .*$/s, "");
  return new HeadgateError(
    "SOURCE_CHANGED",
    `${detail} since the shards' plan was made (${run}), so they would not load the same. Give --restart to one shard, then run the others.`,
    cause,
  );
}

/** Rows of shards that are done, this one's too, are sure to be there only in a store that is still the same. */
async function checkHistory(options: ViewLoadOptions, { history }: ShardPlan): Promise<void> {
  if ((await readHistory(options)) === history) return;
  throw new Hopeless(rowsMayBeLost(options.view.name, "Run all of its shards again."));
}

/** Moves the checkpoint for all shards and leaves a stub of the plan. Two that are last at once do the same. */
async function finish(
  { options, lease }: ViewRun,
  shard: Shard,
  plan: ShardPlan,
  all: ReadonlyMap<number, ShardDone>,
): Promise<void> {
  const { store, view, definition, now } = options;
  checkTotal(options, [...all.values()]);
  const outage = outageBoundsOf(options);
  const start = await readStart(options);
  const known = start.checkpoint?.files ?? {};
  const files: Record<string, LoadedFile> = {};
  for (const [place, { path, etag, work }] of plan.files.entries()) {
    const knownFile = Object.hasOwn(known, path) ? known[path] : undefined;
    const loaded =
      work === undefined ? knownFile : loadedFile(knownFile, etag, intervalOf(work), spanOf(work, place, all));
    if (loaded !== undefined) files[path] = loaded;
  }
  const { run, request, history } = plan;
  const next = { end_us: request.end_us, definition, history: nextHistory(options, { ...start, history }), files };
  await throughOutage(() => lease.renew(), outage);
  await checkHistory(options, plan);
  const open: ReadPlan = await throughOutage(() => readPlan(store.control, view.name), outage);
  if (open.plan?.run !== run) throw planIsReplaced(view.name, shard);
  if (isFinished(open.plan)) return;
  await throughOutage(() => moveCheckpoint(store.control, view.name, start.before, next), outage);
  // Before the stub, after which nobody would do it any more.
  const rowsWritten = [...all.values()].reduce((rows, { rows_written }) => rows + rows_written, 0);
  const times = { started_at_ms: plan.made_at_ms, at_ms: now() };
  const success = { run, ...times, end_us: request.end_us, definition, rows_written: rowsWritten };
  await recordMaterialized(store.control, view.name, { success });
  const stub = { run, request, finished_at_ms: now(), history, listing: listingOf(plan.files) };
  await throughOutage(() => replacePlan(store.control, view.name, open, stub), outage);
  await forgetDone(store.control, view.name);
}

function checkTotal(options: ViewLoadOptions, done: readonly ShardDone[]): void {
  const total = emptyCounts();
  for (const { rows_read, rows_outside, rows_bad, bad_samples } of done) {
    total.rows_read += rows_read;
    total.rows_outside += rows_outside;
    total.rows_bad += rows_bad;
    total.bad_samples = [...total.bad_samples, ...bad_samples];
  }
  try {
    checkBadRows(options, total, total.rows_read - total.rows_outside);
  } catch (cause) {
    throw new Hopeless(cause);
  }
}

/** A failure that no shard can mend: with its plan dropped, repaired files load. */
class Hopeless extends Error {
  readonly failure: unknown;

  constructor(failure: unknown) {
    super("The plan can't be finished.");
    this.failure = failure;
  }
}

function intervalOf(work: ShardFileWork): FileToLoad["interval"] {
  return { startUs: work.start_us ?? Number.NEGATIVE_INFINITY, endUs: work.end_us };
}

/** Where all events of a file lie: those that were not read, and what each shard has read. */
function spanOf(work: ShardFileWork, place: number, all: ReadonlyMap<number, ShardDone>): EventSpan {
  const { skipped_first_us: first, skipped_last_us: last } = work;
  const skipped = first === undefined || last === undefined ? NO_EVENTS : { firstEventUs: first, lastEventUs: last };
  return [...all.values()].reduce((span, { events }) => {
    const read = events[place];
    return read === undefined ? span : joinSpans(span, { firstEventUs: read[0], lastEventUs: read[1] });
  }, skipped);
}
