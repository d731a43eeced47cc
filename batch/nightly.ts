/**
 * When nights are: at the times of a cron text, one at a time, for as long as the process lives.
 *
 * A night that is longer than the interval makes the times in between pass: they are skipped, and that is told; nights
 * never overlap. One that fails is no end: the next time comes. A process that starts after its time, because the
 * machine was down or the last night failed, catches up at once. Several such processes may run: the lease of each
 * view keeps them apart.
 */

import { channel } from "node:diagnostics_channel";
import { Cron } from "croner";
import { HeadgateError, reasonOf } from "../errors.ts";
import type { NightReport } from "./night.ts";

/** Times that come again and again; epoch ms. */
export interface Schedule {
  /** The first time after this one; undefined when there is none. */
  next(afterMs: number): number | undefined;
  /** The last time up to this one, itself included; undefined when there is none. */
  last(atMs: number): number | undefined;
}

/** Cron's smallest unit, ms. */
const SECOND_MS = 1_000;
/** Looked at to find one that is not later than asked for. */
const PREVIOUS_TIMES = 3;
/** The most times that are counted as passed by; more are told as so many. A schedule of every second has 86,400 a day. */
const SKIPPED_MAX = 100_000;

/**
 * Reads a cron text of five parts, or six with seconds first, in a time zone of the IANA database. A local time that
 * daylight saving leaves out is moved on; one that it repeats comes once. Throws CONFIG_INVALID, also for times that
 * will never come.
 */
export function parseSchedule(pattern: string, timezone: string, nowMs: number): Schedule {
  try {
    const cron = new Cron(pattern, { timezone });
    const next = (afterMs: number) => cron.nextRun(new Date(afterMs))?.getTime();
    if (next(nowMs) === undefined) throw new Error("there is no such time to come");
    // Croner's are those before a whole second, which it rounds down to; around a change of daylight saving some of them
    // are later than they were asked for.
    const last = (atMs: number) =>
      cron
        .previousRuns(PREVIOUS_TIMES, new Date(atMs + SECOND_MS))
        .map((time) => time.getTime())
        .find((ms) => ms <= atMs);
    return Object.freeze({ next, last });
  } catch (cause) {
    throw new HeadgateError(
      "CONFIG_INVALID",
      `nightlySchedule "${pattern}" in nightlyTimezone "${timezone}": ${reasonOf(cause)}. Write it as cron does, such as "0 2 * * *" in "Europe/Berlin".`,
      cause,
    );
  }
}

/** What happens, on the channel "headgate:nightly". Times are epoch ms. */
export type NightlyEvent =
  | { readonly kind: "waiting"; readonly dueMs: number }
  | { readonly kind: "started"; readonly dueMs: number; readonly isLate: boolean }
  | { readonly kind: "retrying"; readonly views: readonly string[]; readonly atMs: number }
  | { readonly kind: "ended"; readonly report: NightReport }
  /** The first of so many times that passed while a night went on. */
  | { readonly kind: "skipped"; readonly dueMs: number; readonly times: number };

const events = channel("headgate:nightly");

/** Tells those who listen. */
export function tellNightly(event: NightlyEvent): void {
  if (events.hasSubscribers) events.publish(event);
}

/** How the schedule is kept. */
export interface NightlyOptions {
  readonly schedule: Schedule;
  /** Runs one night; `untilMs` is when the next one is due. Must not throw. */
  readonly night: (untilMs: number | undefined) => Promise<NightReport>;
  /** The time up to which all views are materialized, epoch ms; undefined when one never was. */
  readonly materializedMs: () => Promise<number | undefined>;
  readonly now: () => number;
  /** Waits until the time, epoch ms, or the signal. */
  readonly waitUntil: (atMs: number, signal: AbortSignal) => Promise<void>;
  /** Ends it, after the night that is under way. */
  readonly signal: AbortSignal;
}

/** Keeps the schedule until the signal, or until there is no time to come. Throws what materializedMs throws. */
export async function keepSchedule(options: NightlyOptions): Promise<void> {
  const { schedule, now, signal } = options;
  let isLate = await isBehind(options);
  let dueMs = isLate ? now() : schedule.next(now());
  while (dueMs !== undefined && !signal.aborted) {
    if (!isLate) {
      tellNightly({ kind: "waiting", dueMs });
      await options.waitUntil(dueMs, signal);
      if (signal.aborted) return;
    }
    tellNightly({ kind: "started", dueMs, isLate });
    // From now on, since a host that slept wakes long after; and never the same again, should the clock be set back.
    const nextMs = schedule.next(Math.max(now(), dueMs));
    tellNightly({ kind: "ended", report: await options.night(nextMs) });
    isLate = false;
    const times = signal.aborted ? 0 : passedTimes(schedule, nextMs, now());
    if (nextMs !== undefined && times > 0) tellNightly({ kind: "skipped", dueMs: nextMs, times });
    dueMs = schedule.next(Math.max(now(), dueMs));
  }
}

/** How many times of a schedule, from one of them on, have come by now. */
function passedTimes(schedule: Schedule, fromMs: number | undefined, nowMs: number): number {
  let times = 0;
  for (let ms = fromMs; ms !== undefined && ms <= nowMs && times < SKIPPED_MAX; ms = schedule.next(ms)) times++;
  return times;
}

/** Whether the last due time went by without a load that was done. */
async function isBehind({ schedule, materializedMs, now }: NightlyOptions): Promise<boolean> {
  const [dueMs, doneMs] = [schedule.last(now()), await materializedMs()];
  return doneMs === undefined || (dueMs !== undefined && doneMs < dueMs);
}

/** The clock is looked at at least so often, ms: it may be set, a host may sleep, and timers hold 24 days. */
const LOOK_MS = 60_000;

/**
 * Makes a waitUntil of a clock and a pause, which ends early, without throwing, on the signal. Never ends before the
 * clock shows the time.
 */
export function waitingUntil(
  now: () => number,
  pause: (ms: number, signal: AbortSignal) => Promise<void>,
): NightlyOptions["waitUntil"] {
  return async (atMs, signal) => {
    for (let leftMs = atMs - now(); leftMs > 0 && !signal.aborted; leftMs = atMs - now()) {
      await pause(Math.min(leftMs, LOOK_MS), signal);
    }
  };
}
