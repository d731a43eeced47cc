/**
 * Runs each suite of fixtures/ in all four formats and compares with what Great Expectations 1.24.1 itself said of the
 * same table (fixtures/make.py).
 *
 * Not compared: ids and times of the run, batch ids, tracebacks, the hashes inside a metric's id (its name is), what the
 * original says of its batch, and the messages of WORDED_OTHERWISE, which are pandas', numpy's or re's own. Sums of
 * doubles may differ in their last digits (numpy adds in pairs), so numbers are equal within 1e-12 of themselves.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { array, type FeatureValue, type FieldType, type ScalarKind } from "../../features/field.ts";
import { parseJson } from "../../features/json-text.ts";
import { type JsonValue, writeJson } from "../../features/json-value.ts";
import type { ResultFormat } from "./result-format.ts";
import { parseSuite } from "./suite.ts";
import { startSuite } from "./suite-run.ts";
import type { TableColumn } from "./table-chunk.ts";
import { validationText } from "./validation-result.ts";

const FOLDER = join(import.meta.dirname, "fixtures");
const FORMATS: readonly ResultFormat[] = ["BOOLEAN_ONLY", "BASIC", "SUMMARY", "COMPLETE"];
const TOLERANCE = 1e-12;
/** numpy computes with singles where the column is of singles; here it is always doubles. */
const SINGLE_TOLERANCE = 1e-6;
const FOLLOWS_BASIC = ["partial_unexpected_counts", "partial_unexpected_index_list"];

type Json = Record<string, JsonValue>;
type Shortened = [place: number, success: boolean, result: Json, raised: Json | null, more: Json];
interface Fixture {
  readonly columns: readonly { readonly name: string; readonly type: string; readonly values: readonly JsonValue[] }[];
  readonly suite: JsonValue;
  readonly results: Json;
}

/** What the original says in words of the libraries below it. */
const WORDED_OTHERWISE = [
  /^missing \), unterminated subpattern/,
  /codec can't decode/,
  /^invalid syntax/,
  /not in index'$/,
  /^could not convert string to float/,
  /^StringArray requires/,
  /NaTType/,
  /^'nobody'$/,
  /^Cannot perform reduction 'std'/,
  /^'[<>]' not supported between instances of 'str' and 'float'$/,
];

/** Conditions that pandas runs as code; here they are exception results, as docs/expectations.md says. */
const differs = ({ row_condition: saved }: Json) => /b \+ 1|\.str\./.test(writeJson(saved ?? null));

const cases = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));

function fixtureOf(name: string): Fixture {
  return parseJson(readFileSync(join(FOLDER, name), "utf8")) as Fixture;
}

function columnsOf({ columns }: Fixture): readonly TableColumn[] {
  return columns.map(({ name, type }) => {
    const kind = (/^array\((.*)\)$/.exec(type)?.[1] ?? type) as ScalarKind;
    const scalar: FieldType = { kind, list: false };
    return { name, type: type.startsWith("array") ? array(scalar) : scalar };
  });
}

const NON_FINITE: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
};

function heldValue(type: string, value: JsonValue): FeatureValue {
  if (type.startsWith("float") && typeof value === "string") return NON_FINITE[value]!;
  if (type === "bytes" && typeof value === "string") return Buffer.from(value, "hex");
  return value as FeatureValue;
}

function run(fixture: Fixture, resultFormat: ResultFormat) {
  const columns = columnsOf(fixture);
  const values = fixture.columns.map(({ type, values }) => values.map((value) => heldValue(type, value)));
  const rowCount = values[0]?.length ?? 0;
  const suite = parseSuite(writeJson(fixture.suite), "fixture.json");
  const started = startSuite(suite, columns, { resultFormat, runTime: "2026-11-23T00:00:00Z" });
  for (let row = 0; row < rowCount; row += 3) {
    const part = values.map((column) => column.slice(row, row + 3));
    started.take({ rowCount: part[0]!.length, columns: part });
  }
  return parseJson(validationText(started.finish())) as unknown as {
    success: boolean;
    statistics: Json;
    results: { success: boolean; expectation_config: Json; result: Json; exception_info: Json }[];
  };
}

/** An exception as it can be compared: by metric name, or flat. */
function exceptionOf(raised: Json | null) {
  if (raised === null || raised.raised_exception === false) return null;
  const message = (of: JsonValue) => {
    const text = String((of as Json).exception_message);
    return WORDED_OTHERWISE.some((worded) => worded.test(text)) ? "in other words" : text;
  };
  if ("raised_exception" in raised) return { expectation: message(raised) };
  const metrics = Object.entries(raised).map(
    ([id, of]) => [/metric_name='([^']*)'/.exec(id)![1]!, message(of)] as const,
  );
  return { metrics: Object.fromEntries(metrics.sort()) };
}

function isNear(one: JsonValue, other: JsonValue, tolerance: number): boolean {
  if (typeof one === "number" && typeof other === "number") {
    return one === other || Math.abs(one - other) <= tolerance * Math.max(Math.abs(one), Math.abs(other));
  }
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return one === other;
  const [left, right] = [Object.entries(one), Object.entries(other)];
  return (
    left.length === right.length &&
    left.every(([key, value]) => key in other && isNear(value, (other as Json)[key]!, tolerance))
  );
}

describe.each(cases.map((name) => name.replace(".json", "")))("%s", (name) => {
  const fixture = fixtureOf(`${name}.json`);
  const expectations = (fixture.suite as Json).expectations as unknown as Json[];
  const singles = new Set(fixture.columns.filter(({ type }) => type === "float32").map((column) => column.name));
  const placeOf = ({ id }: Json) => expectations.findIndex((one) => one.id === id);
  const isCompared = ({ place }: Placed) => !differs(expectations[place]!.kwargs as Json);

  test.each(FORMATS)("says what the original says in %s", (format) => {
    const original = originalOf(fixture, format, placeOf);
    const found = run(fixture, format);
    const ours = placedResults(found.results, placeOf).filter(isCompared);
    const theirs = original.told.filter(isCompared);
    expect(ours.map(({ place }) => place)).toEqual(theirs.map(({ place }) => place));
    const wrong = theirs.filter((told, at) => {
      const isSingle = singles.has(String((expectations[told.place]!.kwargs as Json).column));
      return !isSame(ours[at]!, told, isSingle ? SINGLE_TOLERANCE : TOLERANCE);
    });
    const shown = wrong.map((told) => ({ of: expectations[told.place], told, ours: ours[theirs.indexOf(told)] }));
    expect(shown).toEqual([]);
    if (!original.told.every(isCompared)) return;
    expect(found.statistics).toEqual(original.statistics);
    expect(found.success).toBe(original.success);
  });
});

interface Told {
  readonly success: boolean;
  readonly result: Json;
  readonly raised: ReturnType<typeof exceptionOf>;
}

function isSame(ours: Told, theirs: Told, tolerance: number): boolean {
  const isOtherwise = JSON.stringify(theirs.raised)?.includes("in other words");
  const metrics = (told: Told) =>
    JSON.stringify(told.raised && "metrics" in told.raised ? Object.keys(told.raised.metrics!) : told.raised && "flat");
  const raised = isOtherwise
    ? metrics(ours) === metrics(theirs)
    : JSON.stringify(ours.raised) === JSON.stringify(theirs.raised);
  return ours.success === theirs.success && raised && isNear(ours.result, theirs.result, tolerance);
}

interface Placed extends Told {
  /** In the suite. */
  readonly place: number;
}

type Result = ReturnType<typeof run>["results"][number];

function placedResults(results: readonly Result[], placeOf: (config: Json) => number): readonly Placed[] {
  return results.map(({ success, result, expectation_config: config, exception_info: raised }) => ({
    place: placeOf(config),
    success,
    result,
    raised: exceptionOf(raised),
  }));
}

/** What the original said in a format. One fixture has it whole, the others in the form of make.py's `shortened`. */
function originalOf({ results }: Fixture, format: ResultFormat, placeOf: (config: Json) => number) {
  if ("SUMMARY" in results) {
    const { success, statistics, results: all } = results[format] as unknown as ReturnType<typeof run>;
    return { success, statistics, told: placedResults(all, placeOf) };
  }
  const told = (results.results as unknown as Shortened[]).map(([place, success, summary, raised, more]): Placed => {
    const basic = Object.entries(summary).filter(([key]) => !FOLLOWS_BASIC.includes(key));
    const result: Record<ResultFormat, Json> = {
      BOOLEAN_ONLY: {},
      BASIC: Object.fromEntries(basic),
      SUMMARY: summary,
      COMPLETE: { ...summary, ...more },
    };
    return { place, success, result: result[format], raised: exceptionOf(raised) };
  });
  return { success: results.success, statistics: results.statistics, told };
}
