/**
 * What the last parity runs found, in one small file beside their folders: `history.json`, from which the page draws its
 * trends. Writers do not lose each other: each reads the file, adds its run and puts it on the condition that it is still
 * the version it read, and begins again where it is not. The file is a digest of the runs' own `parity.json`; an entry
 * that is not understood is left out, as a trend is nothing to fail a run for.
 */

import { setTimeout as pause } from "node:timers/promises";
import { HeadgateError, hasCode } from "../../errors.ts";
import { type JsonValue, writeJson } from "../../features/json-value.ts";
import type { ObjectStore } from "../../object-store.ts";
import type { ParityReport, ViewParity } from "./parity-result.ts";

/** What a run found of a view. */
export interface HistoryView {
  readonly view: string;
  readonly verdict: ViewParity["verdict"];
  readonly mismatch_rate: number;
  readonly compared: number;
}

/** One run. */
export interface HistoryRun {
  readonly run: string;
  /** RFC 3339. */
  readonly started_at: string;
  readonly ok: boolean;
  /** The run's page, from the reports directory. */
  readonly page: string;
  readonly views: readonly HistoryView[];
}

/** The file. */
export interface ParityHistory {
  /** Oldest first. */
  readonly runs: readonly HistoryRun[];
}

/** Runs that a history keeps: a quarter of a year of days. More make the file and the page's trends longer. */
export const HISTORY_RUNS = 90;
/** Times that a history is read and put before giving up; of n concurrent writers one is done at each. */
const HISTORY_TRIES = 20;
/** Between two tries, ms, times their number: enough for another writer's read and put. */
const PAUSE_MS = 5;

/** Bounds of a history. */
export interface HistoryBounds {
  /** See HISTORY_RUNS. */
  readonly runsMax?: number;
  /** See HISTORY_TRIES. */
  readonly triesMax?: number;
}

/** What a history keeps of a run. */
export function historyRunOf(report: ParityReport, page: string): HistoryRun {
  const views = report.views.map(({ view, verdict, mismatch_rate, compared }) => ({
    ...{ view, verdict, mismatch_rate, compared },
  }));
  return { run: report.run, started_at: report.started_at, ok: report.ok, page, views };
}

/** The history with a run in its place by time; the same run again replaces itself, and the oldest go first. */
export function withRun(history: ParityHistory, run: HistoryRun, runsMax = HISTORY_RUNS): ParityHistory {
  const others = history.runs.filter((other) => other.run !== run.run);
  const runs = [...others, run].sort((a, b) => compareText(a.started_at, b.started_at) || compareText(a.run, b.run));
  return { runs: runs.slice(-runsMax) };
}

/** The history at a path; an empty one where there is none, and where others wrote it at each of the tries to read it. */
export async function readHistory(
  objects: ObjectStore,
  path: string,
  { triesMax = HISTORY_TRIES }: HistoryBounds = {},
): Promise<ParityHistory> {
  for (let tried = 1; tried <= triesMax; tried++) {
    try {
      return (await readVersion(objects, path)).history;
    } catch (cause) {
      if (!isOvertaken(cause)) throw cause;
    }
    await pause(PAUSE_MS * tried);
  }
  return { runs: [] };
}

/** Adds a run to the history at a path. Throws CONTROL_CONFLICT when other writers came first at every try. */
export async function addToHistory(
  objects: ObjectStore,
  path: string,
  run: HistoryRun,
  { runsMax = HISTORY_RUNS, triesMax = HISTORY_TRIES }: HistoryBounds = {},
): Promise<void> {
  for (let tried = 1; tried <= triesMax; tried++) {
    try {
      const { history, etag } = await readVersion(objects, path);
      const before = jsonText(history);
      const after = jsonText(withRun(history, run, runsMax));
      // Of an earlier try, whose answer was lost.
      if (etag !== undefined && before === after) return;
      await objects.put(path, Buffer.from(after), etag === undefined ? { ifAbsent: true } : { ifMatch: etag });
      return;
    } catch (cause) {
      if (!isOvertaken(cause)) throw cause;
    }
    await pause(PAUSE_MS * tried);
  }
  throw new HeadgateError(
    "CONTROL_CONFLICT",
    `${path} was written by others at each of ${triesMax} tries to add run ${run.run}. The run's own report is whole; its trend lacks this run.`,
  );
}

/** True where the file is another one than was read a moment ago. */
function isOvertaken(cause: unknown): boolean {
  return cause instanceof HeadgateError && (cause.code === "CONTROL_CONFLICT" || cause.code === "SOURCE_CHANGED");
}

interface HistoryVersion {
  readonly history: ParityHistory;
  /** Undefined where there is no file. */
  readonly etag: string | undefined;
}

async function readVersion(objects: ObjectStore, path: string): Promise<HistoryVersion> {
  const version = await objects.stat(path).catch((cause: unknown) => {
    if (hasCode(cause, "SOURCE_NOT_FOUND")) return undefined;
    throw cause;
  });
  if (version === undefined) return { history: { runs: [] }, etag: undefined };
  const bytes = version.bytes === 0 ? new ArrayBuffer(0) : await objects.read(path, 0, version.bytes, version.etag);
  return { history: parseHistory(Buffer.from(bytes).toString("utf8")), etag: version.etag };
}

function parseHistory(text: string): ParityHistory {
  try {
    const { runs } = JSON.parse(text) as { runs?: unknown };
    return { runs: Array.isArray(runs) ? runs.filter(isHistoryRun) : [] };
  } catch {
    return { runs: [] };
  }
}

/** Of the pages that report-folder.ts writes. */
const PAGE_PATH = /^(?:[\w-][\w.-]*\/)+index\.html$/;
const VERDICTS: ReadonlySet<unknown> = new Set(["pass", "fail", "error"]);

function isHistoryRun(entry: unknown): entry is HistoryRun {
  const { run, started_at, ok, page, views } = (entry ?? {}) as Record<string, unknown>;
  const isNamed = [run, started_at, page].every((text) => typeof text === "string") && PAGE_PATH.test(page as string);
  return isNamed && typeof ok === "boolean" && Array.isArray(views) && views.every(isHistoryView);
}

function isHistoryView(entry: unknown): entry is HistoryView {
  const { view, verdict, mismatch_rate, compared } = (entry ?? {}) as Record<string, unknown>;
  const areNumbers = [mismatch_rate, compared].every((number) => Number.isFinite(number));
  return typeof view === "string" && VERDICTS.has(verdict) && areNumbers;
}

function jsonText(history: ParityHistory): string {
  return `${writeJson(history as unknown as JsonValue)}\n`;
}

/** By code unit, so that the order is the same everywhere. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
