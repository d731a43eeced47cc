/**
 * A suite over a table that passes once, in chunks. All is decided at the start: each expectation is compiled to a loop,
 * expectations on the same rows share a domain, and what can't run is set aside as an exception result. Then `take` walks
 * the chunk domain by domain, and `finish` asks for the outcomes and puts them into Great Expectations' order.
 */

import { type JsonValue, writeJson } from "../../features/json-value.ts";
import { compileCondition, type MarkRows } from "./condition-marks.ts";
import { Domain } from "./domain.ts";
import { ExpectationFault } from "./expectation-fault.ts";
import type { ExpectationRun } from "./expectation-run.ts";
import { EXPECTATIONS } from "./expectation-types.ts";
import { KeptBytes } from "./kept-bytes.ts";
import { KEPT_LIMITS, type KeptLimits } from "./kept-column.ts";
import type { ResultFormat } from "./result-format.ts";
import { parseCondition } from "./row-condition.ts";
import type { Expectation, ExpectationSuite } from "./suite.ts";
import { type DomainChunk, domainOf, filtered, type TableChunk, type TableColumn } from "./table-chunk.ts";
import {
  batchIdOf,
  type ExpectationResult,
  faultyResult,
  ordinaryResult,
  type RunNames,
  type ValidationResult,
  validationResult,
} from "./validation-result.ts";

/** How a suite is run. Time and ids are the caller's. */
export interface SuiteRunOptions extends RunNames, Partial<KeptLimits> {
  /** "SUMMARY" when it isn't given, as in Great Expectations. */
  readonly resultFormat?: ResultFormat;
}

/** A suite under way. */
export interface SuiteRun {
  /** Takes the next rows, which may be changed or let go of afterwards. */
  take(chunk: TableChunk): void;
  /** The result, after the last row. */
  finish(): ValidationResult;
}

/** One expectation under way, or what stopped it. */
interface Started {
  readonly expectation: Expectation;
  run: ExpectationRun | undefined;
  fault: ExpectationFault | undefined;
}

/** Rows under one condition, and who looks at them. */
interface Scope {
  readonly domain: Domain;
  readonly mark: MarkRows | undefined;
  readonly started: Started[];
}

/** Compiles a suite for the columns of a table. Never throws for what a suite says: that becomes a result. */
export function startSuite(
  suite: ExpectationSuite,
  columns: readonly TableColumn[],
  options: SuiteRunOptions,
): SuiteRun {
  const limits = { ...KEPT_LIMITS, ...definedLimits(options) };
  const bytes = new KeptBytes(limits.keptBytesMax);
  const table = new Domain(columns, limits, bytes, false);
  const scopes = new Map<string, Scope>([["", { domain: table, mark: undefined, started: [] }]]);
  const scopeOf = (condition: JsonValue | undefined): Scope => {
    const key = condition === undefined ? "" : writeJson(condition);
    const known = scopes.get(key);
    if (known !== undefined) return known;
    const mark = compileCondition(parseCondition(condition!), columns);
    const scope = { domain: new Domain(columns, limits, bytes, true), mark, started: [] };
    scopes.set(key, scope);
    return scope;
  };
  const format = options.resultFormat ?? "SUMMARY";
  const started = evaluationOrder(suite.expectations).map((expectation): Started => {
    const one: Started = { expectation, run: undefined, fault: undefined };
    guard(one, () => {
      const { kwargs, type } = expectation;
      const scope = scopeOf(kwargs.row_condition);
      one.run = EXPECTATIONS[type]({ columns, kwargs, format, domain: scope.domain, table });
      scope.started.push(one);
    });
    return one;
  });
  let rowCount = 0;
  return {
    take(chunk) {
      const whole = domainOf(chunk, columns, rowCount);
      rowCount += chunk.rowCount;
      for (const scope of scopes.values()) takeScope(scope, whole);
    },
    finish: () => validationResult(suite.name, resultsOf(started, batchIdOf(options)), options),
  };
}

function definedLimits({ keptRowsMax, distinctTextsMax, keptBytesMax }: SuiteRunOptions): Partial<KeptLimits> {
  return {
    ...(keptBytesMax === undefined ? {} : { keptBytesMax }),
    ...(keptRowsMax === undefined ? {} : { keptRowsMax }),
    ...(distinctTextsMax === undefined ? {} : { distinctTextsMax }),
  };
}

/** Runs a step of an expectation; a fault ends it. */
function guard(one: Started, step: () => void): void {
  if (one.fault !== undefined) return;
  try {
    step();
  } catch (thrown) {
    if (!(thrown instanceof ExpectationFault)) throw thrown;
    one.fault = thrown;
  }
}

function takeScope({ domain, mark, started }: Scope, whole: DomainChunk): void {
  let chunk = whole;
  if (mark !== undefined) {
    let marks: Uint8Array | undefined;
    // A condition that fails on a row fails all who look through it.
    for (const one of started) guard(one, () => (marks ??= mark(whole)));
    if (marks === undefined) return;
    chunk = filtered(whole, marks);
  }
  domain.take(chunk);
  for (const one of started) guard(one, () => one.run?.take?.(chunk));
}

/** Grouped by column, in order of first appearance; those without a column are one group. */
function evaluationOrder(expectations: readonly Expectation[]): readonly Expectation[] {
  const groups = new Map<JsonValue | undefined, Expectation[]>();
  for (const one of expectations) {
    const group = groups.get(one.kwargs.column);
    if (group === undefined) groups.set(one.kwargs.column, [one]);
    else group.push(one);
  }
  return [...groups.values()].flat();
}

/** Expectations whose metrics failed come first. */
function resultsOf(started: readonly Started[], batchId: string): readonly ExpectationResult[] {
  const failed: ExpectationResult[] = [];
  const results: ExpectationResult[] = [];
  for (const one of started) {
    guard(one, () => {
      results.push(ordinaryResult(one.expectation, batchId, one.run!.finish()));
    });
    if (one.fault === undefined) continue;
    const result = faultyResult(one.expectation, batchId, one.fault);
    (one.fault.metrics === undefined ? results : failed).push(result);
  }
  return [...failed, ...results];
}
