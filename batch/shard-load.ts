/**
 * A shard's part of a view's materialization: it makes the plan or finds it made, loads the rows that are its own, says
 * so, and, when it is the last to say so, moves the checkpoint for all.
 *
 * Each step may be done twice: a shard that was killed is run again, finds the plan, and writes rows that are there
 * already; one that is killed after the last row finds that only the checkpoint is left to move.
 */

import { HeadgateError } from "../errors.ts";
import { recordMaterialized } from "../features/materialized-view.ts";
import { type LoadedFile, loadedFile, moveCheckpoint, readCheckpoint } from "./checkpoint.ts";
import type { FileToLoad } from "./file-open.ts";
import { standingShards } from "./lease.ts";
import { throughOutage } from "./outage.ts";
import { emptyCounts, type ShardProgress } from "./report.ts";
import { checkBadRows, type EventSpan, flowRows, joinSpans, NO_EVENTS } from "./row-flow.ts";
import { type Shard, touchesFile } from "./shard.ts";
import {
  forgetDone,
  isFinished,
  isGivenUp,
  isSameRequest,
  PLAN_FILES_MAX,
  planIsOpen,
  type ReadPlan,
  readDone,
  readPlan,
  recordDone,
  replacePlan,
  type ShardDone,
  type ShardFileWork,
  type ShardPlan,
  type ShardRequest,
} from "./shard-plan.ts";
import { type PlannedFile, planView } from "./view-plan.ts";
import { lookbackUsOf, outageBoundsOf, recordRunOrigin, type ViewLoadOptions, type ViewRun } from "./view-run.ts";

/** Loads a shard; how many of them are done then. Throws what flowRows and planView throw, and MATERIALIZE_RUNNING for another plan. */
export async function loadShard(run: ViewRun, shard: Shard): Promise<ShardProgress> {
  const { options } = run;
  const { control } = options.store;
  const view = options.view.name;
  const plan = await followedPlan(run, shard);
  if (plan === undefined) return { ...shard, done: shard.of };
  if (!(await readDone(control, view, plan)).has(shard.index)) {
    const done = await loadPart(run, shard, plan);
    // The token is checked by renewing it: who has lost its lease must not speak for the shard.
    await throughOutage(() => run.lease.renew(), outageBoundsOf(options));
    await throughOutage(() => recordDone(control, view, shard, done), outageBoundsOf(options));
  }
  const all = await throughOutage(() => readDone(control, view, plan), outageBoundsOf(options));
  if (all.size === shard.of) await finish(options, plan, all);
  return { ...shard, done: all.size };
}

/** The plan to follow; undefined when all of it is done. */
async function followedPlan(run: ViewRun, shard: Shard): Promise<ShardPlan | undefined> {
  const { options } = run;
  const { store, view, settings, now, range, definition, restart, holder } = options;
  const request: ShardRequest = {
    ...("incremental" in range ? {} : { start_us: range.startUs }),
    end_us: range.endUs,
    shards: shard.of,
    definition,
  };
  const before = await readPlan(store.control, view.name);
  const found = before.plan;
  if (found !== undefined) {
    const lastMs = isFinished(found) ? found.finished_at_ms : await lastWorkMs(options, found);
    const others = (await standingShards({ control: store.control, view: view.name, holder, now })).filter(
      (index) => index !== shard.index,
    );
    const isAlone = others.length === 0;
    const isRestarted = isAlone && restart === true;
    const isLeft = isRestarted || (isAlone && isGivenUp(lastMs, settings.leaseTtl, now()));
    const isSame = isSameRequest(found.request, request);
    // What the others have done counts, however long ago: only a stub of the same request grows old.
    if (isSame && !isFinished(found) && !isRestarted) return found;
    if (isSame && isFinished(found) && !isLeft) return undefined;
    if (!isFinished(found) && !isLeft) throw planIsOpen(view.name, found, lastMs, settings.leaseTtl);
  }
  const made = await makePlan(run, request);
  if (await replacePlan(store.control, view.name, before, made)) return made;
  return otherPlan(options, request);
}

/** Another shard has made the plan meanwhile. */
async function otherPlan(
  { store, view, settings }: ViewLoadOptions,
  request: ShardRequest,
): Promise<ShardPlan | undefined> {
  const { plan } = await readPlan(store.control, view.name);
  if (plan === undefined || isSameRequest(plan.request, request)) {
    return plan === undefined || isFinished(plan) ? undefined : plan;
  }
  throw planIsOpen(view.name, plan as ShardPlan, (plan as ShardPlan).made_at_ms, settings.leaseTtl);
}

async function lastWorkMs({ store, view }: ViewLoadOptions, plan: ShardPlan): Promise<number> {
  const done = await readDone(store.control, view.name, plan);
  return Math.max(plan.made_at_ms, ...[...done.values()].map(({ at_ms }) => at_ms));
}

async function makePlan({ options, encoder, loadedView, counts }: ViewRun, request: ShardRequest): Promise<ShardPlan> {
  const { store, view, objects, range, rangeRows, signal, now } = options;
  const { checkpoint } = await readCheckpoint(store.control, view.name);
  const planned = await planView({
    ...{ view: loadedView, objects, range, rangeRows, signal },
    known: checkpoint?.definition === options.definition ? checkpoint.files : {},
    lookbackUs: lookbackUsOf(options),
    open: (file) => encoder.open(file),
  });
  if (planned.files.length > PLAN_FILES_MAX) {
    throw new HeadgateError(
      "USAGE",
      `Feature view "${view.name}" has ${planned.files.length} files, and shards agree on at most ${PLAN_FILES_MAX}. Write fewer, larger files, or load them without --shard.`,
    );
  }
  // What no shard reads is told by the one that looked.
  const looked = planned.files.flatMap(({ work }) => work?.summary ?? []);
  counts.rows_skipped = looked.reduce((rows, summary) => rows + summary.rows - summary.rowsToRead, 0);
  counts.files_skipped = planned.files.length - looked.length;
  counts.warnings = planned.warnings;
  counts.bytes_read = planned.bytesRead;
  let rowsBefore = 0;
  const files = planned.files.map(({ path, version, work }) => {
    const file = { path, etag: version.etag, bytes: version.bytes, last_modified_ms: version.lastModifiedMs };
    if (work === undefined) return file;
    const before = rowsBefore;
    rowsBefore += work.summary.rowsToRead;
    return { ...file, work: workOf(work, before) };
  });
  const { run } = options;
  return { run, request, made_at_ms: now(), range_rows: rangeRows, rows_to_read: rowsBefore, files };
}

function workOf({ interval, summary }: NonNullable<PlannedFile["work"]>, rowsBefore: number): ShardFileWork {
  const { rows, rowsToRead, skippedFirstEventUs, skippedLastEventUs } = summary;
  return {
    ...(Number.isFinite(interval.startUs) ? { start_us: interval.startUs } : {}),
    end_us: interval.endUs,
    rows_before: rowsBefore,
    rows_to_read: rowsToRead,
    rows_skipped: rows - rowsToRead,
    ...(skippedFirstEventUs <= skippedLastEventUs
      ? { skipped_first_us: skippedFirstEventUs, skipped_last_us: skippedLastEventUs }
      : {}),
  };
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
      throw changedSincePlan(cause, plan);
    });
    for (const [i, { firstEventUs, lastEventUs }] of spans.entries()) {
      if (firstEventUs <= lastEventUs) events[places[i]!] = [firstEventUs, lastEventUs];
    }
  }
  const { rows_read, rows_outside, rows_bad, rows_written, bad_samples } = counts;
  const at_ms = options.now();
  return { run: plan.run, at_ms, rows_read, rows_outside, rows_bad, rows_written, bad_samples, events };
}

function changedSincePlan(cause: unknown, { run }: ShardPlan): unknown {
  if (!(cause instanceof HeadgateError) || cause.code !== "SOURCE_CHANGED") return cause;
  const detail = cause.message.replace(/ while it was read; .*$/s, "");
  return new HeadgateError(
    "SOURCE_CHANGED",
    `${detail} since the shards' plan was made (${run}), so they would not load the same. Give --restart to one shard, then run the others.`,
    cause,
  );
}

/** Moves the checkpoint for all shards and leaves a stub of the plan. Two that are last at once do the same. */
async function finish(options: ViewLoadOptions, plan: ShardPlan, all: ReadonlyMap<number, ShardDone>): Promise<void> {
  const { store, view, definition, now } = options;
  checkTotal(options, [...all.values()]);
  const outage = outageBoundsOf(options);
  const before = await throughOutage(() => readCheckpoint(store.control, view.name), outage);
  const known = before.checkpoint?.definition === definition ? before.checkpoint.files : {};
  const files: Record<string, LoadedFile> = {};
  for (const [place, { path, etag, work }] of plan.files.entries()) {
    const knownFile = Object.hasOwn(known, path) ? known[path] : undefined;
    const loaded =
      work === undefined ? knownFile : loadedFile(knownFile, etag, intervalOf(work), spanOf(work, place, all));
    if (loaded !== undefined) files[path] = loaded;
  }
  const next = { end_us: plan.request.end_us, definition, files };
  const open: ReadPlan = await throughOutage(() => readPlan(store.control, view.name), outage);
  if (open.plan === undefined || open.plan.run !== plan.run || isFinished(open.plan)) return;
  await throughOutage(() => moveCheckpoint(store.control, view.name, before, next), outage);
  const { run, request } = plan;
  await throughOutage(
    () => replacePlan(store.control, view.name, open, { run, request, finished_at_ms: now() }),
    outage,
  );
  await forgetDone(store.control, view.name);
  const rowsWritten = [...all.values()].reduce((rows, { rows_written }) => rows + rows_written, 0);
  const success = { run, at_ms: now(), end_us: request.end_us, rows_written: rowsWritten };
  await recordMaterialized(store.control, view.name, { success });
}

function checkTotal(options: ViewLoadOptions, done: readonly ShardDone[]): void {
  const total = emptyCounts();
  for (const { rows_read, rows_outside, rows_bad, bad_samples } of done) {
    total.rows_read += rows_read;
    total.rows_outside += rows_outside;
    total.rows_bad += rows_bad;
    total.bad_samples = [...total.bad_samples, ...bad_samples];
  }
  checkBadRows(options, total, total.rows_read - total.rows_outside);
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
