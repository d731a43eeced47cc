/**
 * A project's own suites: `expectations/<view>.json`, as Great Expectations 1.x exports it, says what the view's rows must
 * be, in the files as well as in the online store; where `expectations/<view>.online.json` is, it says the latter.
 */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { excerpt } from "../errors.ts";
import { type JsonValue, writeJson } from "../features/json-value.ts";
import { type ExpectationSuite, parseSuite } from "./expectations/suite.ts";
import type { ExceptionInfo, ExpectationResult, ValidationResult } from "./expectations/validation-result.ts";

/** The most characters of an exception that are told. */
const WHY_CHARACTERS = 200;
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

/** The most files that are told of. */
const STRAYS_TOLD = 5;

/**
 * A sentence about the suites that are named after none of the views, which are all that have files; undefined where
 * there is none such. Who misspells a name must not believe that the suite runs.
 */
export async function strayedSuites(projectDirectory: string, views: readonly string[]): Promise<string | undefined> {
  const known = new Set(views.flatMap((view) => [`${view}.json`, `${view}.online.json`]));
  // A folder that can't be read is told of by who reads a suite in it.
  const names = await readdir(join(projectDirectory, FOLDER)).catch(() => []);
  const strays = names.filter((name) => name.endsWith(".json") && !known.has(name)).sort();
  if (strays.length === 0) return undefined;
  const [is, it] = strays.length === 1 ? ["is", "it never runs"] : ["are", "they never run"];
  return `${told(strays.map((name) => join(FOLDER, name)))} ${is} named after no feature view that has files, so ${it}; these have: ${told([...views].sort())}.`;
}

function told(names: readonly string[]): string {
  const more = names.length - STRAYS_TOLD;
  return `${names.slice(0, STRAYS_TOLD).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
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
  const more = failed.length === 1 ? "" : `, and ${failed.length - 1} more`;
  return `Suite "${suite_name}" is not met: ${unmetText(first)}${more}.`;
}

/** An expectation that was not met, and why: what was raised, or how many rows and one of their values, or what was seen. */
export function unmetText(result: ExpectationResult): string {
  const { type, kwargs } = result.expectation_config;
  const column = [kwargs.column, kwargs.column_A].find((one) => typeof one === "string");
  const why = whyOf(result);
  return `${type}${column === undefined ? "" : ` of ${String(column)}`}${why === undefined ? "" : ` (${why})`}`;
}

function whyOf({ result, exception_info }: ExpectationResult): string | undefined {
  const raised = raisedBy(exception_info);
  if (raised !== undefined) return excerpt(raised.replace(/\.$/, ""), WHY_CHARACTERS);
  const {
    unexpected_count: unexpected,
    element_count: of,
    partial_unexpected_list: list,
    observed_value: seen,
  } = result;
  if (typeof unexpected === "number") {
    const first = Array.isArray(list) && list.length > 0 ? `, such as ${shownValue(list[0] as JsonValue)}` : "";
    return `${unexpected} of ${String(of)} rows${first}`;
  }
  return seen === undefined ? undefined : `it is ${shownValue(seen)}`;
}

/** What was raised is told by itself, or by the metrics that failed. */
function raisedBy(info: ExpectationResult["exception_info"]): string | undefined {
  const all =
    "raised_exception" in info ? [info as ExceptionInfo] : Object.values(info as Record<string, ExceptionInfo>);
  return all.find(({ exception_message }) => exception_message !== null)?.exception_message ?? undefined;
}

function shownValue(value: JsonValue): string {
  return excerpt(writeJson(value));
}
