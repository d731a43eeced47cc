/** `headgate parity`: is what the online store serves what the files say? A verdict for each view, and what to do about it. */

import type { ParitySample } from "../batch/parity/parity-run.ts";
import { formatViewParity } from "../batch/parity/parity-text.ts";
import { progressWriter } from "../batch/progress.ts";
import { type Config, SETTINGS } from "../config.ts";
import { HeadgateError } from "../errors.ts";
import type { JsonValue } from "../features/json-value.ts";
import { answer, type CommandContext, EXIT, namesOf, type OpenedProject, withProject } from "./command.ts";
import { reportParity } from "./parity-report.ts";
import { runServedParity, type ServedParityFlags } from "./served-parity.ts";

/** Options as the command line has them. */
export interface ParityFlags extends ServedParityFlags {
  readonly views?: string;
  readonly sample?: string;
  readonly seed?: string;
  readonly repair?: boolean;
  readonly yes?: boolean;
  readonly served?: boolean;
}

/** Compares; the exit code is the verdict of all views. */
export function parity(context: CommandContext, flags: ParityFlags): Promise<number> {
  refuseOthers(flags);
  const isServed = flags.served === true;
  if (flags.yes === true && flags.repair !== true) {
    throw new HeadgateError("USAGE", "--yes does what --repair would do; give it together with --repair.");
  }
  const [share, seed] = [shareOf(flags.sample), seedOf(flags.seed)];
  return withProject(context, async (project) => {
    const interrupted = new AbortController();
    const interrupt = () => interrupted.abort();
    process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
    try {
      if (isServed) return await runServedParity(context, project, flags, interrupted.signal);
      return await compare(context, project, flags, sampleOf(project.config, share, seed), interrupted.signal);
    } catch (cause) {
      if (!interrupted.signal.aborted) throw cause;
      context.stderr.write(isServed ? INTERRUPTED_SERVED : INTERRUPTED);
      return EXIT.failed;
    } finally {
      process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
    }
  });
}

const OF_THE_STORE = ["views", "sample", "seed", "repair", "yes"] as const;
const OF_THE_LOG = ["from", "to"] as const;

/** Throws USAGE for options of the other comparison: they would do nothing. */
function refuseOthers(flags: ParityFlags): void {
  const isServed = flags.served === true;
  const other = (isServed ? OF_THE_STORE : OF_THE_LOG).find((name) => flags[name] !== undefined);
  if (other === undefined) return;
  throw new HeadgateError("USAGE", `--${other} is of no use ${isServed ? "with" : "without"} --served; leave it out.`);
}

const INTERRUPTED = "Interrupted: views that were done keep their verdicts, rows already repaired stay repaired.\n";
const INTERRUPTED_SERVED = "Interrupted: nothing was written.\n";

async function compare(
  context: CommandContext,
  project: OpenedProject,
  { views, repair, yes }: ParityFlags,
  sample: ParitySample | undefined,
  signal: AbortSignal,
): Promise<number> {
  const { report, told } = await reportParity(project, {
    views: namesOf(views),
    sample,
    repair: repair === true ? (yes === true ? "write" : "plan") : undefined,
    now: context.now,
    signal,
    onProgress: progressWriter(context.json ? "silent" : context.stderr, context.now),
  });
  answer(context, report as unknown as JsonValue, report.views.map(formatViewParity).join("\n"));
  if (!context.json) context.stderr.write(`${told}\n`);
  return report.ok ? EXIT.done : EXIT.failed;
}

/** The sample to take: the command line's, else the setting's; undefined for all entities. */
export function sampleOf(
  { paritySample }: Pick<Config, "paritySample">,
  share: number | undefined = paritySample,
  seed = 0,
): ParitySample | undefined {
  return share < 1 ? { share, seed } : undefined;
}

function shareOf(text: string | undefined): number | undefined {
  const share = text === undefined ? undefined : SETTINGS.paritySample.read(text);
  if (text === undefined || share !== undefined) return share;
  throw new HeadgateError("USAGE", `--sample is "${text}"; give a share of the entities, such as 0.01.`);
}

/** The greatest seed: what a hash begins with has 32 bits. */
const SEED_MOST = 2 ** 32 - 1;

function seedOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,10}$/.test(text) && Number(text) <= SEED_MOST) return Number(text);
  throw new HeadgateError("USAGE", `--seed is "${text}"; give a whole number up to ${SEED_MOST}.`);
}
