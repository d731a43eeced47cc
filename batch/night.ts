/**
 * One night's work on a number of views: steps, one after another. A view that a step fails for gets no further; the
 * others do. What failed in a way that passes (see errors.ts: retriable) is tried again from the first step, some
 * times, after a back-off that doubles.
 *
 * A view that another process is loading is tried again too: should that process have died, its lease has run out by
 * then. If the other is still at it at the end, the view is in good hands, and the night has not failed.
 */

import { ERRORS, type ErrorCode, HeadgateError, reasonOf } from "../errors.ts";

/** What a step made of a view. */
export interface ViewOutcome {
  readonly view: string;
  readonly status: "done" | "failed" | "aborted";
  readonly error?: { readonly code: ErrorCode; readonly detail: string };
}

/** A part of the work. */
export interface NightlyStep {
  readonly name: string;
  /** Does it, and reports on each view that it got to. What it throws has failed all of them. */
  readonly run: (views: readonly string[]) => Promise<readonly ViewOutcome[]>;
}

/** What became of a night. "elsewhere": all that is not done is being loaded by another process. */
export type NightStatus = "done" | "elsewhere" | "failed" | "aborted";

/** What a night did. */
export interface NightReport {
  readonly status: NightStatus;
  /** RFC 3339. */
  readonly started_at: string;
  readonly seconds: number;
  readonly tries: number;
  /** The last report of each view, by the step's name. */
  readonly steps: Readonly<Record<string, readonly ViewOutcome[]>>;
}

/** How a night is run. */
export interface NightOptions {
  readonly steps: readonly NightlyStep[];
  readonly views: readonly string[];
  /** The most times that a view is tried, the first included. */
  readonly tries: number;
  /** The wait before the second try, ms; it doubles, up to an hour. */
  readonly backoffMs: number;
  /** When the next night is due, epoch ms: a try that would come later is left to it. */
  readonly untilMs?: number | undefined;
  readonly now: () => number;
  /** Waits until the time, epoch ms, or the signal. */
  readonly waitUntil: (atMs: number, signal: AbortSignal) => Promise<void>;
  /** Stops the work: steps heed it between two of their own. */
  readonly signal: AbortSignal;
  /** Told when a step is done with its views. */
  readonly onStep?: (step: string, outcomes: readonly ViewOutcome[]) => void;
  /** Told before a wait which views are tried again, and when. */
  readonly onRetry?: (views: readonly string[], atMs: number) => void;
}

const BACKOFF_MAX_MS = 3_600_000;

/** Runs a night. Never throws: what goes wrong is in the report. */
export async function runNight(options: NightOptions): Promise<NightReport> {
  const { steps, now, signal } = options;
  const startMs = now();
  const reports = new Map(steps.map(({ name }) => [name, new Map<string, ViewOutcome>()]));
  const outcomes = new Map<string, ViewOutcome>();
  let [views, tries] = [options.views, 0];
  while (views.length > 0) {
    tries++;
    for (const outcome of await runSteps(options, views, reports)) outcomes.set(outcome.view, outcome);
    views = views.filter((view) => isRetriable(outcomes.get(view)));
    const atMs = now() + Math.min(options.backoffMs * 2 ** (tries - 1), BACKOFF_MAX_MS);
    const isLate = options.untilMs !== undefined && atMs >= options.untilMs;
    if (views.length === 0 || tries >= options.tries || isLate || signal.aborted) break;
    options.onRetry?.(views, atMs);
    await options.waitUntil(atMs, signal);
    if (signal.aborted) break;
  }
  return Object.freeze({
    status: statusOf(options.views, outcomes, signal),
    started_at: new Date(startMs).toISOString(),
    seconds: (now() - startMs) / 1_000,
    tries,
    steps: Object.fromEntries([...reports].map(([name, views]) => [name, [...views.values()]])),
  });
}

/** The views' outcomes of the last step that each got to. */
async function runSteps(
  { steps, signal, onStep }: NightOptions,
  views: readonly string[],
  reports: ReadonlyMap<string, Map<string, ViewOutcome>>,
): Promise<readonly ViewOutcome[]> {
  const ended: ViewOutcome[] = [];
  let passed = views.map((view): ViewOutcome => ({ view, status: "aborted" }));
  for (const step of steps) {
    if (signal.aborted || passed.length === 0) break;
    const outcomes = await runStep(
      step,
      passed.map(({ view }) => view),
    );
    for (const outcome of outcomes) reports.get(step.name)!.set(outcome.view, outcome);
    onStep?.(step.name, outcomes);
    ended.push(...outcomes.filter(({ status }) => status !== "done"));
    passed = outcomes.filter(({ status }) => status === "done");
  }
  return [...ended, ...passed];
}

async function runStep(step: NightlyStep, views: readonly string[]): Promise<readonly ViewOutcome[]> {
  try {
    return await step.run(views);
  } catch (thrown) {
    const code = thrown instanceof HeadgateError ? thrown.code : "INTERNAL";
    const error = { code, detail: reasonOf(thrown) };
    return views.map((view) => ({ view, status: "failed", error }));
  }
}

function isRetriable(outcome: ViewOutcome | undefined): boolean {
  return outcome?.error !== undefined && ERRORS[outcome.error.code].retriable;
}

function statusOf(
  views: readonly string[],
  outcomes: ReadonlyMap<string, ViewOutcome>,
  signal: AbortSignal,
): NightStatus {
  const unfinished = views.map((view) => outcomes.get(view)).filter((outcome) => outcome?.status !== "done");
  const failed = unfinished.filter((outcome) => outcome?.error !== undefined);
  if (failed.some((outcome) => outcome?.error?.code !== "MATERIALIZE_RUNNING")) return "failed";
  if (failed.length < unfinished.length || (signal.aborted && unfinished.length > 0)) return "aborted";
  return unfinished.length > 0 ? "elsewhere" : "done";
}
