/**
 * Great Expectations suites on a parity run's page: each with its success, and its expectations with what they asked for
 * and what was observed, those that failed first. Results are opaque JSON in Great Expectations' form; what this reads of
 * it is optional, so that a result of another version is shown as far as it is understood.
 * Form: ExpectationSuiteValidationResult.to_json_dict of Great Expectations 1.x.
 */

import { isObject, type JsonValue } from "../../features/json-value.ts";
import { type Html, html } from "./report-html.ts";
import { code, codeMembers, nameText } from "./report-page-code.ts";
import { jsonLine, NONE, percent, wholeNumber } from "./report-page-number.ts";
import { verdictMark } from "./report-page-verdict.ts";

/** The validation result of a suite. */
export interface SuiteValidation {
  readonly suite_name: string;
  /** As Great Expectations writes it. */
  readonly result: JsonValue;
}

/** A suite and the file in the run's folder that holds its result. */
export interface ReportedSuite extends SuiteValidation {
  readonly file: string;
}

/** Expectations of one kind (failed, met) that the page shows of a suite; the file has all of them. */
const EXPECTATIONS_SHOWN = 200;
/** Values that are quoted. */
const VALUES_SHOWN = 5;

/** True when the suite as a whole was met. */
export function isMet({ result }: SuiteValidation): boolean {
  return membersOf(result).success === true;
}

/** A suite's section. */
export function suiteSection(suite: ReportedSuite): Html {
  const { results, statistics } = membersOf(suite.result);
  const all = Array.isArray(results) ? (results as readonly JsonValue[]) : [];
  const [failed, met] = [all.filter((one) => !succeeded(one)), all.filter(succeeded)];
  const share = membersOf(statistics).success_percent;
  const told = typeof share === "number" ? `, ${percent(share / 100)} successful` : "";
  return html`<section class="suite"><h3>${verdictMark(isMet(suite) ? "pass" : "fail")} <span class="name">${nameText(suite.suite_name)}</span></h3>
<p>${wholeNumber(met.length)} of ${wholeNumber(all.length)} expectations are met${told}. <a href="${suite.file}">${suite.file}</a></p>
${failed.length > 0 && expectationTable(failed)}
${met.length > 0 && html`<details><summary>${wholeNumber(met.length)} met</summary>${expectationTable(met)}</details>`}</section>`;
}

function expectationTable(results: readonly JsonValue[]): Html {
  const rest = results.length - EXPECTATIONS_SHOWN;
  return html`<table class="stack">
<thead><tr><th scope="col">Expectation</th><th scope="col">Of</th><th scope="col">Asked for</th><th scope="col">Observed</th></tr></thead>
<tbody>${results.slice(0, EXPECTATIONS_SHOWN).map(expectationRow)}</tbody></table>
${rest > 0 && html`<p class="quiet">${wholeNumber(rest)} more in the file.</p>`}`;
}

function expectationRow(result: JsonValue): Html {
  const configuration = membersOf(membersOf(result).expectation_config);
  const { type, severity } = configuration;
  const kwargs = entriesOf(configuration.kwargs).filter(([name]) => name !== "batch_id");
  const [columns, asked] = [kwargs.filter(([name]) => isColumn(name)), kwargs.filter(([name]) => !isColumn(name))];
  const names = columns.flatMap(([, value]) => (Array.isArray(value) ? (value as readonly JsonValue[]) : [value]));
  const isTold = typeof severity === "string" && !succeeded(result);
  return html`<tr><th scope="row">${typeof type === "string" ? code(type) : NONE}${isTold && html` <span class="severity">${severity}</span>`}</th>
<td data-label="Of">${names.length === 0 ? html`<span class="quiet">the table</span>` : names.map((name, i) => html`${i > 0 && ", "}${code(plainText(name))}`)}</td>
<td data-label="Asked for">${codeMembers(asked)}</td>
<td data-label="Observed">${observed(result)}</td></tr>`;
}

function isColumn(name: string): boolean {
  return name === "column" || /^column_(?:A|B|list)$/.test(name);
}

function observed(result: JsonValue): HtmlCell {
  const { result: found, exception_info } = membersOf(result);
  const raised = raisedMessage(exception_info);
  if (raised !== undefined) return html`<span class="severity">raised</span> ${raised}`;
  const told = membersOf(found);
  const { observed_value } = told;
  if (observed_value !== undefined && observed_value !== null) return code(jsonLine(observed_value));
  // Sets are told by what is in them and should not be, and by what is not.
  const parts = [unexpectedText(told), missingText(told)].filter((part) => part !== undefined);
  if (parts.length > 0) return html`${parts.map((part, i) => html`${i > 0 && "; "}${part}`)}`;
  return observed_value === undefined ? NONE : code("null");
}

type Members = ReturnType<typeof membersOf>;

/** Great Expectations takes the share of the values that are not null, where it counts the nulls as missing. */
function unexpectedText(told: Members): Html | undefined {
  const { unexpected_count, element_count, missing_count, unexpected_percent, partial_unexpected_list } = told;
  if (typeof unexpected_count !== "number") return undefined;
  const nulls = typeof missing_count === "number" ? missing_count : 0;
  const of =
    typeof element_count === "number"
      ? ` of ${wholeNumber(element_count - nulls)}${nulls > 0 ? " that are not null" : ""}`
      : "";
  const share = typeof unexpected_percent === "number" ? ` (${percent(unexpected_percent / 100)})` : "";
  return html`${wholeNumber(unexpected_count)} unexpected${of}${share}${quoted(partial_unexpected_list)}`;
}

/** Of a set; expectations on values count their nulls as missing, without a list. */
function missingText({ missing_count, partial_missing_list }: Members): Html | undefined {
  if (typeof missing_count !== "number" || !Array.isArray(partial_missing_list)) return undefined;
  return html`${wholeNumber(missing_count)} missing${quoted(partial_missing_list)}`;
}

type HtmlCell = Html | string;

/** The first of some values. */
function quoted(values: JsonValue | undefined): Html | false {
  if (!Array.isArray(values) || values.length === 0) return false;
  const shown = (values as readonly JsonValue[]).slice(0, VALUES_SHOWN).map(jsonLine).join(", ");
  return html`: <code>${shown}${values.length > VALUES_SHOWN && ", …"}</code>`;
}

/** An exception is told flat, or beneath the id of the metric that raised it. */
function raisedMessage(told: JsonValue | undefined): string | undefined {
  for (const one of [told, ...entriesOf(told).map(([, member]) => member)]) {
    const { raised_exception, exception_message } = membersOf(one);
    if (raised_exception === true) return typeof exception_message === "string" ? exception_message : "an exception";
  }
  return undefined;
}

function succeeded(result: JsonValue): boolean {
  return membersOf(result).success === true;
}

function plainText(value: JsonValue): string {
  return typeof value === "string" ? value : jsonLine(value);
}

/** The members of an object by name; none of anything else. */
function membersOf(value: JsonValue | undefined): { readonly [name: string]: JsonValue | undefined } {
  return Object.fromEntries(entriesOf(value));
}

function entriesOf(value: JsonValue | undefined): readonly (readonly [name: string, member: JsonValue])[] {
  return isObject(value) ? Object.entries(value) : [];
}
