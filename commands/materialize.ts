/** `headgate materialize` and `materialize-incremental`: files into the online store, with progress, until done or interrupted. */

import { parseInstantUs, parseInterval } from "../batch/interval.ts";
import { thisHolder } from "../batch/lease.ts";
import { materialize } from "../batch/materialize.ts";
import { progressWriter } from "../batch/progress.ts";
import { formatViewReport } from "../batch/report.ts";
import type { MaterializeRange } from "../batch/view-plan.ts";
import { SETTINGS } from "../config.ts";
import { HeadgateError } from "../errors.ts";
import { readAppliedRegistry } from "../features/applied-registry.ts";
import type { JsonValue } from "../features/json-value.ts";
import { answer, type CommandContext, EXIT, withProject } from "./command.ts";

/** Options as the command line has them. */
export interface MaterializeFlags {
  readonly views?: string;
  readonly maxBadRows?: string;
}

/** Loads [start, end) of event time. */
export function materializeInterval(
  context: CommandContext,
  start: string,
  end: string,
  flags: MaterializeFlags,
): Promise<number> {
  return run(context, parseInterval(start, end, context.now()), flags);
}

/** Loads what is new before `end`. */
export function materializeIncremental(context: CommandContext, end: string, flags: MaterializeFlags): Promise<number> {
  return run(context, { incremental: true, endUs: parseInstantUs(end, "end", context.now()) }, flags);
}

function run(context: CommandContext, range: MaterializeRange, flags: MaterializeFlags): Promise<number> {
  const maxBadRows = badRowsOf(flags);
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
      settings: { ...config, maxBadRows: maxBadRows ?? config.maxBadRows },
      holder: thisHolder(),
      now: context.now,
      signal: interrupted.signal,
      onProgress: progressWriter(context.json ? "silent" : context.stderr, context.now),
      ...(flags.views === undefined ? {} : { views: flags.views.split(",").map((name) => name.trim()) }),
    });
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
    const lines = (ok: boolean) => report.views.filter((view) => (view.status === "done") === ok).map(formatViewReport);
    if (context.json || lines(true).length > 0) answer(context, report as unknown as JsonValue, lines(true).join("\n"));
    if (!context.json) for (const line of lines(false)) context.stderr.write(`${line}\n`);
    return report.ok ? EXIT.done : EXIT.failed;
  });
}

function badRowsOf({ maxBadRows }: MaterializeFlags): number | undefined {
  if (maxBadRows === undefined) return undefined;
  const share = SETTINGS.maxBadRows.read(maxBadRows);
  if (share !== undefined) return share;
  throw new HeadgateError("USAGE", `--max-bad-rows is "${maxBadRows}"; give a share below 1, such as 0.001.`);
}
