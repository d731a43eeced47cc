/**
 * A project's own suites: `expectations/<view>.json`, as Great Expectations 1.x exports it, says what the view's rows must
 * be, in the files as well as in the online store; where `expectations/<view>.online.json` is, it says the latter.
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type ExpectationSuite, parseSuite } from "./expectations/suite.ts";
import type { ValidationResult } from "./expectations/validation-result.ts";

/** The folder of the suites, in the project's. */
const FOLDER = "expectations";

/** The suite for the rows of a view's files; undefined where the project has none. Throws SUITE_INVALID. */
export function readFileSuite(projectDirectory: string, view: string): Promise<ExpectationSuite | undefined> {
  return readSuite(projectDirectory, `${view}.json`);
}

/** The suite for the rows that are served of a view; undefined where the project has none. Throws SUITE_INVALID. */
export async function readOnlineSuite(projectDirectory: string, view: string): Promise<ExpectationSuite | undefined> {
  return (await readSuite(projectDirectory, `${view}.online.json`)) ?? readFileSuite(projectDirectory, view);
}

async function readSuite(projectDirectory: string, name: string): Promise<ExpectationSuite | undefined> {
  const file = join(FOLDER, name);
  try {
    return parseSuite(await readFile(join(projectDirectory, file), "utf8"), file);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw cause;
  }
}

/** What of a suite was not met that its author calls critical, in a sentence; undefined when all of it was. */
export function criticalFailure({ suite_name, results }: ValidationResult): string | undefined {
  const failed = results.filter(
    ({ success, expectation_config }) => !success && expectation_config.severity === "critical",
  );
  const first = failed[0];
  if (first === undefined) return undefined;
  const { type, kwargs } = first.expectation_config;
  const column = [kwargs.column, kwargs.column_A].find((one) => typeof one === "string");
  const of = column === undefined ? "" : ` of ${String(column)}`;
  const more = failed.length === 1 ? "" : `, and ${failed.length - 1} more`;
  return `Suite "${suite_name}" is not met: ${type}${of}${more}.`;
}
