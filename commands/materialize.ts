/** `headgate materialize` and `materialize-incremental`: files into the online store, with progress, until done or interrupted. */

import { parseInstantUs, parseInterval } from "../batch/interval.ts";
import { thisHolder } from "../batch/lease.ts";
import { materialize } from "../batch/materialize.ts";
import { progressWriter } from "../batch/progress.ts";
import { formatViewReport } from "../batch/report.ts";
import { parseShard, type Shard } from "../batch/shard.ts";
import type { MaterializeRange } from "../batch/view-plan.ts";
import { type Config, SETTINGS } from "../config.ts";
import { HeadgateError } from "../errors.ts";
import { readAppliedRegistry } from "../features/applied-registry.ts";
import type { JsonValue } from "../features/json-value.ts";
import { answer, type CommandContext, EXIT, namesOf, withProject } from "./command.ts";

/** Options as the command line has them. */
export interface MaterializeFlags {
  readonly views?: string;
  readonly maxBadRows?: string;
  readonly maxRowsPerSecond?: string;
  readonly shard?: string;
  readonly restart?: boolean;
}

/** Loads [start, end) of event time. */
export function materializeInterval(
  context: CommandContext,
  start: string,
  end: string,
  flags: MaterializeFlags,
): Promise<number> {
  return run(context, parseInterval(start, end, context.now()), flags, [start, end]);
}

/** Loads what is new before `end`. */
export function materializeIncremental(context: CommandContext, end: string, flags: MaterializeFlags): Promise<number> {
  return run(context, { incremental: true, endUs: parseInstantUs(end, "end", context.now()) }, flags, [end]);
}

function run(
  context: CommandContext,
  range: MaterializeRange,
  flags: MaterializeFlags,
  times: readonly string[],
): Promise<number> {
  const settings = settingsOf(flags);
  const shard = shardOf(flags, times);
  const views = namesOf(flags.views);
  return withProject(context, async ({ config, registry, store }) => {
    const interrupted = new AbortController();
    const interrupt = () => interrupted.abort();
    process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
    const report = await materialize({
      store,
      registry,
      applied: await readAppliedRegistry(store.control),
      projectDirectory: config.projectDirectory,
      range,
      settings: { ...config, ...settings },
      shard,
      restart: flags.restart,
      holder: thisHolder(),
      now: context.now,
      signal: interrupted.signal,
      onWait: (sentence) => context.json || context.stderr.write(`${sentence}\n`),
      onProgress: progressWriter(context.json ? "silent" : context.stderr, context.now),
      ...(views === undefined ? {} : { views }),
    });
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
    const lines = (ok: boolean) => report.views.filter((view) => (view.status === "done") === ok).map(formatViewReport);
    if (context.json || lines(true).length > 0) answer(context, report as unknown as JsonValue, lines(true).join("\n"));
    if (!context.json) for (const line of lines(false)) context.stderr.write(`${line}\n`);
    return report.ok ? EXIT.done : EXIT.failed;
  });
}

/** What the command line says over the settings. */
function settingsOf(flags: MaterializeFlags): Partial<Pick<Config, "maxBadRows" | "materializeRate">> {
  return {
    ...overridden("maxBadRows", flags.maxBadRows, "--max-bad-rows", "give a share below 1, such as 0.001"),
    ...overridden(
      "materializeRate",
      flags.maxRowsPerSecond,
      "--max-rows-per-second",
      "give a whole number, such as 50000",
    ),
  };
}

function overridden<Name extends "maxBadRows" | "materializeRate">(
  name: Name,
  text: string | undefined,
  option: string,
  instead: string,
): Partial<Record<Name, number>> {
  if (text === undefined) return {};
  const value = SETTINGS[name].read(text);
  if (value !== undefined) return { [name]: value } as Record<Name, number>;
  throw new HeadgateError("USAGE", `${option} is "${text}"; ${instead}.`);
}

/** Shards started one after another must mean the same time. */
function shardOf({ shard, restart }: MaterializeFlags, times: readonly string[]): Shard | undefined {
  if (shard === undefined && restart === true) {
    throw new HeadgateError("USAGE", "--restart drops the plan of shards; give it together with --shard.");
  }
  if (shard === undefined) return undefined;
  const parsed = parseShard(shard);
  if (!times.some((time) => time.trim().toLowerCase() === "now")) return parsed;
  throw new HeadgateError(
    "USAGE",
    "--shard needs absolute times: each shard would have a now of its own, and they would not load the same. Write the same time for all, such as 2026-11-22T02:00:00Z.",
  );
}
