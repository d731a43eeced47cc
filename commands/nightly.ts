/**
 * `headgate nightly`: every view's new rows into the online store, then compared with their files, once or on a
 * schedule, each run a report, and on a schedule beside a small server that says how it stands. A run's steps are the
 * array in `nightSteps`, in order.
 */

import { setTimeout as timer } from "node:timers/promises";
import { thisHolder } from "../batch/lease.ts";
import { chooseViews, materialize } from "../batch/materialize.ts";
import { type NightlyStep, type NightReport, runNight, type ViewOutcome } from "../batch/night.ts";
import { keepSchedule, parseSchedule, type Schedule, tellNightly, waitingUntil } from "../batch/nightly.ts";
import { formatParityOutcome, type ParityViewOutcome, parityOutcome } from "../batch/parity/parity-outcome.ts";
import { progressWriter } from "../batch/progress.ts";
import { formatViewReport, type ViewReport } from "../batch/report.ts";
import { reasonOf } from "../errors.ts";
import { readAppliedRegistry } from "../features/applied-registry.ts";
import type { JsonValue } from "../features/json-value.ts";
import { materializedReader, materializedUpToMs, readMaterialized } from "../features/materialized-view.ts";
import { parityVerdictReader } from "../features/parity-verdict.ts";
import { appliedDefinition } from "../features/view-definition.ts";
import { openHealthServer } from "../health-server.ts";
import { startTelemetry, type Telemetry } from "../telemetry.ts";
import { answer, type CommandContext, EXIT, namesOf, type OpenedProject, withProject } from "./command.ts";
import { sampleOf } from "./parity.ts";
import { reportParity } from "./parity-report.ts";

/** Options as the command line has them. */
export interface NightlyFlags {
  readonly views?: string;
  readonly once?: boolean;
}

/** Runs once and tells by the exit code how it went, or keeps the schedule until SIGTERM or SIGINT. */
export function nightly(context: CommandContext, flags: NightlyFlags): Promise<number> {
  return withProject(context, async (project) => {
    const { nightlySchedule, nightlyTimezone } = project.config;
    const isOnce = flags.once === true || nightlySchedule === "";
    const schedule = isOnce ? undefined : parseSchedule(nightlySchedule, nightlyTimezone, context.now());
    const views = chooseViews(project.registry, namesOf(flags.views)).map(({ name }) => name);
    const stopped = new AbortController();
    const stop = () => stopped.abort();
    process.once("SIGTERM", stop).once("SIGINT", stop);
    const telemetry = startTelemetry((line) => context.stderr.write(line), context.now);
    const work: NightlyWork = { context, project, views, isOnce, telemetry, signal: stopped.signal };
    try {
      return await (schedule === undefined ? runOnce(work) : keepRunning(work, schedule));
    } finally {
      telemetry.stop();
      process.off("SIGTERM", stop).off("SIGINT", stop);
    }
  });
}

interface NightlyWork {
  readonly context: CommandContext;
  readonly project: OpenedProject;
  readonly views: readonly string[];
  readonly isOnce: boolean;
  readonly telemetry: Telemetry;
  readonly signal: AbortSignal;
}

async function runOnce(work: NightlyWork): Promise<number> {
  const { status } = await night(work, undefined);
  return status === "done" || status === "elsewhere" ? EXIT.done : EXIT.failed;
}

async function keepRunning(work: NightlyWork, schedule: Schedule): Promise<number> {
  const { context, project, views, telemetry, signal } = work;
  const { config, store } = project;
  const { now } = context;
  telemetry.watchMaterialized(materializedReader({ control: store.control, views, now }));
  telemetry.watchParity(parityVerdictReader({ control: store.control, views, now }));
  let last: NightReport | undefined;
  const health = await openHealthServer({
    host: config.healthHost,
    port: config.nightlyHealthPort,
    portSetting: "HEADGATE_NIGHTLY_HEALTH_PORT",
    readiness: async () => {
      const problem = await store.ping().then(() => undefined, reasonOf);
      return { ready: problem === undefined, body: standing(project, schedule.next(now()), last, problem) };
    },
    metricsText: () => telemetry.metricsText(),
  });
  telemetry.log("info", "keeping the nightly schedule", { health: health.url, feature_views: views });
  try {
    await keepSchedule({
      schedule,
      night: async (untilMs) => (last = await night(work, untilMs)),
      materializedMs: () => materializedMs(work),
      now,
      waitUntil: waitFor(now),
      signal,
    });
  } finally {
    await health.close();
  }
  return EXIT.done;
}

/**
 * Runs a night. Its views are told of as soon as a step is done with them, what is done on stdout and what is not on
 * stderr; as JSON it is one report, at the end.
 */
async function night(work: NightlyWork, untilMs: number | undefined): Promise<NightReport> {
  const { context, project, views, signal } = work;
  const report = await runNight({
    steps: nightSteps(work),
    views,
    tries: project.config.nightlyTries,
    backoffMs: project.config.nightlyBackoff,
    untilMs,
    now: context.now,
    waitUntil: waitFor(context.now),
    signal,
    onStep: (_, outcomes) => {
      if (!context.json) tellOutcomes(context, outcomes);
    },
    onRetry: (views, atMs) => tellNightly({ kind: "retrying", views, atMs }),
  });
  if (context.json) answer(context, report as unknown as JsonValue, "");
  return report;
}

/** A line for each view, and one for all that failed for the same reason before a report of their own was begun. */
function tellOutcomes(
  { stdout, stderr }: CommandContext,
  outcomes: readonly (ViewOutcome | ViewReport | ParityViewOutcome)[],
): void {
  const failures = new Map<string, string[]>();
  for (const outcome of outcomes) {
    if ("rows_read" in outcome) {
      (outcome.status === "done" ? stdout : stderr).write(`${formatViewReport(outcome)}\n`);
    } else if ("verdict" in outcome) {
      (outcome.status === "done" ? stdout : stderr).write(`${formatParityOutcome(outcome)}\n`);
    } else if (outcome.error !== undefined) {
      const reason = `${outcome.error.detail} [${outcome.error.code}]`;
      failures.set(reason, [...(failures.get(reason) ?? []), outcome.view]);
    }
  }
  for (const [reason, views] of failures) stderr.write(`${views.join(", ")}: failed. ${reason}\n`);
}

const DAY_MS = 86_400_000;

/** What a night does, in order. */
function nightSteps({ context, project, isOnce, signal }: NightlyWork): readonly NightlyStep[] {
  const { config, registry, store } = project;
  const { now, stderr } = context;
  const isShown = !context.json && (stderr.isTTY || isOnce);
  const load: NightlyStep = {
    name: "materialize",
    run: async (views) => {
      const report = await materialize({
        store,
        registry,
        applied: await readAppliedRegistry(store.control),
        projectDirectory: config.projectDirectory,
        views,
        range: { incremental: true, endUs: Math.floor(now() * 1_000) },
        settings: config,
        holder: thisHolder(),
        now,
        signal,
        onProgress: progressWriter(isShown ? stderr : "silent", now),
      });
      return report.views;
    },
  };
  const compare: NightlyStep = {
    name: "parity",
    run: async (views) => {
      const onProgress = progressWriter(isShown ? stderr : "silent", now);
      // Another seed each day: in time a sample has looked at all.
      const sample = sampleOf(config, undefined, Math.floor(now() / DAY_MS));
      try {
        const { report } = await reportParity(project, { views, sample, now, signal, onProgress });
        return report.views.map(parityOutcome);
      } catch (cause) {
        if (!signal.aborted) throw cause;
        return views.map((view) => ({ view, status: "aborted" }));
      }
    },
  };
  return config.nightlyParity === "on" ? [load, compare] : [load];
}

/** The time up to which all of the views are materialized by their present definitions; undefined when one is not. */
async function materializedMs({ project, views }: NightlyWork): Promise<number | undefined> {
  const { registry, store } = project;
  const known = await readMaterialized(store.control, views);
  const applied = await readAppliedRegistry(store.control);
  return materializedUpToMs(known, (view) => appliedDefinition(registry, applied, view));
}

function waitFor(now: () => number): ReturnType<typeof waitingUntil> {
  return waitingUntil(now, (ms, signal) => timer(ms, undefined, { signal }).catch(() => {}));
}

/** What /readyz shows. */
function standing(
  { config, registry, store }: OpenedProject,
  nextMs: number | undefined,
  last: NightReport | undefined,
  problem: string | undefined,
): JsonValue {
  return {
    status: problem === undefined ? "ready" : "not ready",
    online_store: { address: store.address, problem: problem ?? null },
    registry_fingerprint: registry.fingerprint,
    schedule: config.nightlySchedule,
    timezone: config.nightlyTimezone,
    next: nextMs === undefined ? null : new Date(nextMs).toISOString(),
    last: last === undefined ? null : { status: last.status, started_at: last.started_at, seconds: last.seconds },
  };
}
