/**
 * A parity run and its report, for `headgate parity` and for the nightly: compare, write the report's files, and say
 * where they are. A report that can't be written is told and takes nothing from the verdict.
 */

import { isAbsolute, join, relative } from "node:path";
import { chooseViews } from "../batch/materialize.ts";
import { type PairSuites, startPairSuites } from "../batch/parity/pair-suites.ts";
import { type ParityOptions, runParity } from "../batch/parity/parity.ts";
import type { ParityReport } from "../batch/parity/parity-result.ts";
import { writeParityReport } from "../batch/parity/report-folder.ts";
import { readOnlineSuite, strayedSuites } from "../batch/view-suite.ts";
import { reasonOf } from "../errors.ts";
import { readAppliedRegistry } from "../features/applied-registry.ts";
import type { JsonValue } from "../features/json-value.ts";
import { openObjectStore } from "../object-store.ts";
import type { OpenedProject } from "./command.ts";

/** What a command asks of a run besides its project. */
export type ParityRequest = Pick<ParityOptions, "views" | "sample" | "repair" | "now" | "signal" | "onProgress">;

/** A run that was reported. */
export interface ReportedParity {
  readonly report: ParityReport;
  /** What people should know besides: suites that never run, the page's path or why there is none; a line each. */
  readonly told: string;
}

/** Compares, runs the suites that the project has, and writes the report. Throws what runParity throws; a suite that is none is the error of its view. */
export async function reportParity(
  { config, registry, store }: OpenedProject,
  request: ParityRequest,
): Promise<ReportedParity> {
  const suites: PairSuites[] = [];
  const report = await runParity({
    ...{ store, registry, settings: config, ...request },
    observerOf: async (view, run) => {
      const names = { runTime: new Date(request.now()).toISOString(), runName: run };
      const online = await readOnlineSuite(config.projectDirectory, view.name);
      const started = startPairSuites({ view, online, names, maxMismatch: config.parityMaxMismatch });
      suites.push(started);
      return started;
    },
    applied: await readAppliedRegistry(store.control),
    projectDirectory: config.projectDirectory,
  });
  const fileViews = chooseViews(registry, undefined).map(({ name }) => name);
  const strays = await strayedSuites(config.projectDirectory, fileViews);
  const told = (page: string) => (strays === undefined ? page : `${strays}\n${page}`);
  const objects = openObjectStore({ directory: config.projectDirectory });
  try {
    const { page } = await writeParityReport({
      ...{ objects, report },
      reportsPath: config.parityReports,
      validations: suites
        .flatMap((one) => one.validations())
        .map((result) => ({
          suite_name: result.suite_name,
          result: result as unknown as JsonValue,
        })),
    });
    return { report, told: told(`The report is ${pathFromHere(config.projectDirectory, page)}.`) };
  } catch (cause) {
    return { report, told: told(`The report could not be written: ${reasonOf(cause)}`) };
  } finally {
    await objects.close();
  }
}

/** A path of the project, as it opens from where the command is run. */
function pathFromHere(projectDirectory: string, path: string): string {
  return path.startsWith("s3://") || isAbsolute(path) ? path : relative(process.cwd(), join(projectDirectory, path));
}
