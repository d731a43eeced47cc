/**
 * The report of a parity run as files: `<reports>/<date>/<time>-<run>/` with `parity.json`, a Great Expectations
 * validation result for each suite and `index.html`, and `<reports>/history.json` beside all of them. Nothing that was
 * written is ever overwritten: `parity.json` comes first and only where there is none, so that one run owns a folder.
 * The history is last: whatever it names is there.
 */

import { hasCode } from "../../errors.ts";
import { type JsonValue, writeJson } from "../../features/json-value.ts";
import type { ObjectStore } from "../../object-store.ts";
import type { ParityReport } from "./parity-result.ts";
import { addToHistory, type HistoryBounds, historyRunOf, readHistory, withRun } from "./report-history.ts";
import { renderParityPage } from "./report-page.ts";
import type { SuiteValidation } from "./report-page-suite.ts";

/** What is written, and where. */
export interface ParityReportOptions extends HistoryBounds {
  readonly objects: ObjectStore;
  /** A local folder, from the object store's directory on, or `s3://bucket/prefix`. */
  readonly reportsPath: string;
  readonly report: ParityReport;
  readonly validations: readonly SuiteValidation[];
}

/** Where a report is. */
export interface WrittenReport {
  /** The run's folder. */
  readonly directory: string;
  /** Its page, to be opened in a browser. */
  readonly page: string;
}

/**
 * Writes the report of a run; the same report again is no failure. Throws CONTROL_CONFLICT when the folder holds another
 * report, or when the history could not be put among other writers; then everything else is written.
 */
export async function writeParityReport(options: ParityReportOptions): Promise<WrittenReport> {
  const { objects, reportsPath, report, validations } = options;
  const root = (reportsPath || ".").replace(/\/+$/, "");
  const folder = folderOf(report);
  const directory = `${root}/${folder}`;
  const put = (name: string, text: string) => objects.put(`${directory}/${name}`, Buffer.from(text));
  await putOnce(objects, `${directory}/parity.json`, Buffer.from(jsonText(report as unknown as JsonValue)));
  const names = validationNames(validations);
  for (const [i, { result }] of validations.entries()) await put(names[i]!, jsonText(result));

  const historyPath = `${root}/history.json`;
  const run = historyRunOf(report, `${folder}/index.html`);
  const history = withRun(await readHistory(objects, historyPath, options), run, options.runsMax);
  const suites = validations.map((validation, i) => ({ ...validation, file: names[i]! }));
  await put("index.html", renderParityPage({ report, suites, history }));
  await addToHistory(objects, historyPath, run, options);
  return { directory, page: `${directory}/index.html` };
}

/** The day, then the time and the last word of the run's id, as two runs may begin in one millisecond. */
function folderOf({ run, started_at }: ParityReport): string {
  const [date, time] = new Date(started_at).toISOString().split("T") as [string, string];
  return `${date}/${time.replace(/[:Z]/g, "").replace(".", "-")}-${fileWord(run.split(/\s+/).at(-1)!)}`;
}

const WORD_CHARACTERS_MAX = 80;

/** A text as part of a file's name, on every system. */
function fileWord(text: string): string {
  return text.replace(/[^A-Za-z0-9._-]+/g, "_").slice(0, WORD_CHARACTERS_MAX);
}

/** `validation-<suite>.json`, each once, in a file system that does not tell capitals, too. */
function validationNames(validations: readonly SuiteValidation[]): readonly string[] {
  const taken = new Set<string>();
  return validations.map(({ suite_name }) => {
    const word = fileWord(suite_name);
    let name = `validation-${word}.json`;
    for (let copy = 2; taken.has(name.toLowerCase()); copy++) name = `validation-${word}-${copy}.json`;
    taken.add(name.toLowerCase());
    return name;
  });
}

async function putOnce(objects: ObjectStore, path: string, bytes: Buffer): Promise<void> {
  try {
    await objects.put(path, bytes, { ifAbsent: true });
  } catch (cause) {
    if (!hasCode(cause, "CONTROL_CONFLICT")) throw cause;
    const { bytes: length, etag } = await objects.stat(path);
    if (length !== bytes.length || !bytes.equals(Buffer.from(await objects.read(path, 0, length, etag)))) throw cause;
  }
}

function jsonText(value: JsonValue): string {
  return `${writeJson(value)}\n`;
}
