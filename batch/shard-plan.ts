/**
 * What several processes that share a view's load agree on: a control record `plan/<view>`, made by the first shard to
 * come by compare-and-set and followed by the others, and a record `plan/<view>/<i>` of each shard whose rows are all in
 * the store.
 *
 * A plan says everything absolutely (which versions of which files, from when to when, where in the line of all rows
 * each file lies), so that shards that come hours apart read the same. It is bounded by its number of files. When the
 * last shard has moved the checkpoint, a stub of it stays: a shard that an orchestrator starts once more, having missed
 * its exit, finds that it is done, as long as the files are still those. Which plan a shard follows is decided in
 * shard-choice.ts.
 */

import { HeadgateError } from "../errors.ts";
import { fingerprintOf } from "../features/fingerprint.ts";
import type { ControlStore } from "../features/store/online-store.ts";
import { formatTimestampUs } from "../features/timestamp.ts";
import type { BadRow } from "./row-batch.ts";
import type { Shard } from "./shard.ts";

/** The most files of a plan; its record has some 200 bytes of each. */
export const PLAN_FILES_MAX = 50_000;
/** For how many lengths of a lease nobody must have worked on a plan before another one may take its place: longer than an orchestrator waits before it starts a shard again. */
const IDLE_LEASES = 30;

/** What shards are asked to load; they follow one plan when this is the same. */
export interface ShardRequest {
  /** Absent for an incremental one. */
  readonly start_us?: number;
  readonly end_us: number;
  readonly shards: number;
  readonly definition: string;
}

/** A file of a plan. */
export interface ShardFile {
  readonly path: string;
  readonly etag: string;
  readonly bytes: number;
  readonly last_modified_ms: number;
  /** Absent where it has nothing new. */
  readonly work?: ShardFileWork;
}

/** What there is to do in a file. JSON has no infinities: what is absent is one. */
export interface ShardFileWork {
  readonly start_us?: number;
  readonly end_us: number;
  readonly rows_before: number;
  readonly rows_to_read: number;
  readonly rows_skipped: number;
  readonly skipped_first_us?: number;
  readonly skipped_last_us?: number;
}

/** The plan. */
export interface ShardPlan {
  readonly run: string;
  readonly request: ShardRequest;
  readonly made_at_ms: number;
  /** The store's history (OnlineStore.history); under another one, rows of shards that are done may be lost. */
  readonly history: string;
  readonly range_rows: number;
  readonly rows_to_read: number;
  readonly files: readonly ShardFile[];
}

/** What stays of a plan when all of it is done. */
export interface FinishedPlan {
  readonly run: string;
  readonly request: ShardRequest;
  readonly finished_at_ms: number;
  readonly history: string;
  /** listingOf its files. */
  readonly listing: string;
}

/** A record as it was read. */
export interface ReadPlan {
  readonly bytes: Uint8Array | undefined;
  readonly plan: ShardPlan | FinishedPlan | undefined;
}

/** What a shard says of itself when its rows are in the store. */
export interface ShardDone {
  readonly run: string;
  readonly at_ms: number;
  readonly rows_read: number;
  readonly rows_outside: number;
  readonly rows_bad: number;
  readonly rows_written: number;
  readonly bad_samples: readonly BadRow[];
  /** Files by their place in the plan: the first and the last event that was read. */
  readonly events: Readonly<Record<number, readonly [firstUs: number, lastUs: number]>>;
}

/** True for a plan of which only the stub is left. */
export function isFinished(plan: ShardPlan | FinishedPlan): plan is FinishedPlan {
  return "finished_at_ms" in plan;
}

/** True when both ask for the same. */
export function isSameRequest(a: ShardRequest, b: ShardRequest): boolean {
  return a.start_us === b.start_us && a.end_us === b.end_us && a.shards === b.shards && a.definition === b.definition;
}

/** Fingerprint of files in their versions. */
export function listingOf(files: readonly Pick<ShardFile, "path" | "etag">[]): string {
  return fingerprintOf(files.map(({ path, etag }) => [path, etag]));
}

/** Reads the view's plan. */
export async function readPlan(control: ControlStore, view: string): Promise<ReadPlan> {
  const bytes = await control.get(planName(view));
  return { bytes, plan: parse<ShardPlan | FinishedPlan>(bytes) };
}

/** Puts a plan, or its stub, or nothing, in the place of what was read; tells whether that was still there. */
export function replacePlan(
  control: ControlStore,
  view: string,
  before: ReadPlan,
  next: ShardPlan | FinishedPlan | undefined,
): Promise<boolean> {
  const bytes = next === undefined ? undefined : Buffer.from(JSON.stringify(next));
  return control.compareAndSet(planName(view), before.bytes, bytes);
}

/** Takes a plan away that can't be finished, so that the next shard to come makes another. */
export async function dropPlan(control: ControlStore, view: string, { run }: ShardPlan): Promise<void> {
  const before = await readPlan(control, view);
  if (before.plan?.run !== run || isFinished(before.plan)) return;
  if (await replacePlan(control, view, before, undefined)) await forgetDone(control, view);
}

/** The records of the shards of a run that are done, by their index. */
export async function readDone(control: ControlStore, view: string, plan: ShardPlan): Promise<Map<number, ShardDone>> {
  const done = new Map<number, ShardDone>();
  for (let index = 1; index <= plan.request.shards; index++) {
    const record = parse<ShardDone>(await control.get(doneName(view, index)));
    if (record?.run === plan.run) done.set(index, record);
  }
  return done;
}

/** Records that a shard is done. Throws CONTROL_CONFLICT when its plan is no longer the view's, or a record of it came in between. */
export async function recordDone(control: ControlStore, view: string, shard: Shard, done: ShardDone): Promise<void> {
  const name = doneName(view, shard.index);
  const before = await control.get(name);
  if (parse<ShardDone>(before)?.run === done.run) return;
  // In this sequence: a record that another plan's shard puts from now on makes the compare-and-set fail.
  if ((await readPlan(control, view)).plan?.run !== done.run) throw planIsReplaced(view, shard);
  if (await control.compareAndSet(name, before, Buffer.from(JSON.stringify(done)))) return;
  if (parse<ShardDone>(await control.get(name))?.run !== done.run) throw planIsReplaced(view, shard);
}

/** The failure of a shard that has loaded by a plan that is no longer the view's. */
export function planIsReplaced(view: string, { index }: Shard): HeadgateError {
  return new HeadgateError(
    "CONTROL_CONFLICT",
    `The plan that shard ${index} of feature view "${view}" has followed was dropped or replaced meanwhile. Run the command again.`,
  );
}

/** Removes the shards' records. Never throws: one that can't be removed is of no run that is to come. */
export async function forgetDone(control: ControlStore, view: string): Promise<void> {
  try {
    for (const name of await control.list(`${planName(view)}/`)) {
      await control.compareAndSet(name, await control.get(name), undefined);
    }
  } catch {
    // The next plan's shards put theirs in its place.
  }
}

/** True when nobody has worked on a plan for so long that it is taken for given up; `lastMs` is when somebody did. */
export function isGivenUp(lastMs: number, leaseTtlMs: number, nowMs: number): boolean {
  return nowMs - lastMs > IDLE_LEASES * leaseTtlMs;
}

/** Refuses another load while a plan is unfinished. */
export function planIsOpen(
  view: string,
  { run, request }: ShardPlan,
  lastMs: number,
  leaseTtlMs: number,
): HeadgateError {
  const from = request.start_us === undefined ? "what is new" : `from ${formatTimestampUs(request.start_us)}`;
  const what = `${from} to ${formatTimestampUs(request.end_us)} in ${request.shards} shards`;
  const until = new Date(lastMs + IDLE_LEASES * leaseTtlMs).toISOString();
  return new HeadgateError(
    "MATERIALIZE_RUNNING",
    `Feature view "${view}" has an unfinished plan of other shards or definitions: ${what} (${run}). Finish it with the same command, or drop it by giving --restart to one shard; from ${until} on it is taken for given up.`,
  );
}

function planName(view: string): string {
  return `plan/${view}`;
}

function doneName(view: string, index: number): string {
  return `${planName(view)}/${index}`;
}

function parse<T>(bytes: Uint8Array | undefined): T | undefined {
  return bytes === undefined ? undefined : (JSON.parse(Buffer.from(bytes).toString("utf8")) as T);
}
