/**
 * Which plan a shard follows: the one it finds, or one that it makes.
 *
 * | the plan found | same request | another request |
 * | --- | --- | --- |
 * | finished | done, while files and store are those of then; else a new one | a new one |
 * | open, another shard at work on it | followed | refused |
 * | open, idle | followed; given up and its files changed: a new one | refused; given up: a new one |
 * | open, of another history of the store | a new one | a new one |
 *
 * A shard is at work on a plan when its lease stands and names it: shards that start together hold leases, too, and
 * must not keep one another from giving up an old plan. `--restart` takes an idle or finished plan's place at once. Of
 * several that make a plan at once one puts it, and the others decide again.
 */

import { HeadgateError } from "../errors.ts";
import { shardsAtWork } from "./lease.ts";
import { throughOutage } from "./outage.ts";
import { planFrom, readHistory, readStart } from "./run-start.ts";
import type { Shard } from "./shard.ts";
import {
  isFinished,
  isGivenUp,
  isSameRequest,
  listingOf,
  PLAN_FILES_MAX,
  planIsOpen,
  type ReadPlan,
  readDone,
  readPlan,
  replacePlan,
  type ShardFileWork,
  type ShardPlan,
  type ShardRequest,
} from "./shard-plan.ts";
import type { PlannedFile, ViewPlan } from "./view-plan.ts";
import { outageBoundsOf, type ViewLoadOptions, type ViewRun } from "./view-run.ts";

/** How often a shard decides at most; each time but the last another one was quicker. */
const DECISIONS = 5;

/** The plan that the shard's lease names from now on; undefined when all of it is done. Throws MATERIALIZE_RUNNING for a plan of something else, and what planView throws. */
export async function choosePlan(run: ViewRun, shard: Shard): Promise<ShardPlan | undefined> {
  const { options, lease } = run;
  const { store, view } = options;
  const outage = outageBoundsOf(options);
  const read = () => throughOutage(() => readPlan(store.control, view.name), outage);
  for (let decisions = 0; decisions < DECISIONS; decisions++) {
    const plan = await foundOrMade(run, shard, await read());
    if (plan === "done") return undefined;
    if (plan === "beaten") continue;
    await throughOutage(() => lease.follow(plan.run), outage);
    // Who looked before the lease named the plan may have taken it for idle.
    const current = (await read()).plan;
    if (current?.run === plan.run) return isFinished(current) ? undefined : plan;
  }
  throw new HeadgateError(
    "CONTROL_CONFLICT",
    `The shards of feature view "${view.name}" do not agree on a plan: others replace it again and again. Give all of them the same times and number of shards, then run the command again.`,
  );
}

async function foundOrMade(run: ViewRun, shard: Shard, before: ReadPlan): Promise<ShardPlan | "done" | "beaten"> {
  const { options } = run;
  const { store, view } = options;
  const request = requestOf(options, shard);
  const decision = before.plan === undefined ? "make" : await decide(options, shard, request, before.plan);
  if (decision !== "make") return decision;
  const [made, viewPlan] = await makePlan(options, request);
  run.counts.bytes_read += viewPlan.bytesRead;
  if (!(await throughOutage(() => replacePlan(store.control, view.name, before, made), outageBoundsOf(options))))
    return "beaten";
  tellUnread(run, viewPlan);
  return made;
}

function requestOf({ range, definition }: ViewLoadOptions, shard: Shard): ShardRequest {
  const start = "incremental" in range ? {} : { start_us: range.startUs };
  return { ...start, end_us: range.endUs, shards: shard.of, definition };
}

/** The table. */
async function decide(
  options: ViewLoadOptions,
  shard: Shard,
  request: ShardRequest,
  found: NonNullable<ReadPlan["plan"]>,
): Promise<ShardPlan | "done" | "make"> {
  const { store, view, settings, now, holder, restart } = options;
  const { control } = store;
  const outage = outageBoundsOf(options);
  const isSame = isSameRequest(found.request, request);
  if (found.history !== (await readHistory(options))) return "make";
  if (isFinished(found)) {
    if (!isSame || restart === true) return "make";
    return found.listing === (await currentListing(options)) ? "done" : "make";
  }
  const atWork = await throughOutage(() => shardsAtWork({ control, view: view.name, holder, now }, found.run), outage);
  const isAtWork = atWork.some((index) => index !== shard.index);
  if (!isAtWork && restart === true) return "make";
  const lastMs = await lastWorkMs(options, found);
  const isLeft = !isAtWork && isGivenUp(lastMs, settings.leaseTtl, now());
  if (isSame) {
    const isStale = isLeft && listingOf(found.files) !== (await currentListing(options));
    return isStale ? "make" : found;
  }
  if (isLeft) return "make";
  throw planIsOpen(view.name, found, lastMs, settings.leaseTtl);
}

async function currentListing({ objects, view }: ViewLoadOptions): Promise<string> {
  const files = await objects.list(view.source.path);
  return listingOf(files.map(({ path, version }) => ({ path, etag: version.etag })));
}

async function lastWorkMs(options: ViewLoadOptions, plan: ShardPlan): Promise<number> {
  const { store, view } = options;
  const done = await throughOutage(() => readDone(store.control, view.name, plan), outageBoundsOf(options));
  return Math.max(plan.made_at_ms, ...[...done.values()].map(({ at_ms }) => at_ms));
}

async function makePlan(options: ViewLoadOptions, request: ShardRequest): Promise<[ShardPlan, ViewPlan]> {
  const { run, view, rangeRows, now } = options;
  const start = await readStart(options);
  const planned = await planFrom(options, start);
  if (planned.files.length > PLAN_FILES_MAX) {
    throw new HeadgateError(
      "SOURCE_UNSUPPORTED",
      `Feature view "${view.name}" has ${planned.files.length} files, and shards agree on at most ${PLAN_FILES_MAX}. Write fewer, larger files, or load them without --shard.`,
    );
  }
  let rowsBefore = 0;
  const files = planned.files.map(({ path, version, work }) => {
    const file = { path, etag: version.etag, bytes: version.bytes, last_modified_ms: version.lastModifiedMs };
    if (work === undefined) return file;
    const before = rowsBefore;
    rowsBefore += work.summary.rowsToRead;
    return { ...file, work: workOf(work, before) };
  });
  const { history } = start;
  const made = { run, request, made_at_ms: now(), history, range_rows: rangeRows, rows_to_read: rowsBefore, files };
  return [made, planned];
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

/** What no shard reads is told by the one that has made the plan. */
function tellUnread({ counts }: ViewRun, { files, warnings }: ViewPlan): void {
  const looked = files.flatMap(({ work }) => work?.summary ?? []);
  counts.rows_skipped = looked.reduce((rows, summary) => rows + summary.rows - summary.rowsToRead, 0);
  counts.files_skipped = files.length - looked.length;
  counts.warnings = warnings;
}
