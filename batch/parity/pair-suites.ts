/**
 * Great Expectations suites over a view's pairs, in the pass that compares them: parity itself as a suite, so that its
 * result is one more validation result, and the project's own suite on what is served.
 *
 * The suite of parity holds each feature of the one side against the other, with Great Expectations' semantics: NaN is
 * null there, −0 is 0. The verdict is the comparison's, which is exact.
 */

import { parseEntityKey } from "../../features/entity-key.ts";
import { STATUS } from "../../features/feature-status.ts";
import { type FeatureValue, type FieldType, string, timestamp } from "../../features/field.ts";
import { toJson, writeJson } from "../../features/json-value.ts";
import { viewJoinKeys } from "../../features/registry.ts";
import { isOfFeast, readRowOrder } from "../../features/row-order.ts";
import type { Expectation, ExpectationSuite } from "../expectations/suite.ts";
import { type SuiteRun, type SuiteRunOptions, startSuite } from "../expectations/suite-run.ts";
import type { TableColumn } from "../expectations/table-chunk.ts";
import type { ValidationResult } from "../expectations/validation-result.ts";
import type { FileView } from "../materialize.ts";
import { criticalFailure } from "../view-suite.ts";
import type { ComparedPair, PairObserver } from "./parity-run.ts";

/** What is asked of a view's suites. */
export interface PairSuiteOptions {
  readonly view: FileView;
  /** The project's suite of the served rows; undefined where it has none. */
  readonly online: ExpectationSuite | undefined;
  /** The share of mismatches that passes. */
  readonly maxMismatch: number;
  readonly names: Pick<SuiteRunOptions, "runTime" | "runName">;
}

/** Suites under way. */
export interface PairSuites extends PairObserver {
  /** Their results, once they are finished. */
  validations(): readonly ValidationResult[];
}

/** Starts them. */
export function startPairSuites(options: PairSuiteOptions): PairSuites {
  const runs = [startSides(options), ...(options.online === undefined ? [] : [startOnline(options, options.online)])];
  let results: readonly ValidationResult[] = [];
  return Object.freeze({
    take: (pairs: readonly ComparedPair[]) => {
      for (const { take } of runs) take(pairs);
    },
    finish: () => {
      results = runs.map(({ run }) => run.finish());
      // What parity itself found is its verdict's to tell.
      return results.slice(1).flatMap((result) => criticalFailure(result) ?? []);
    },
    validations: () => results,
  });
}

interface PairSuite {
  readonly run: SuiteRun;
  readonly take: (pairs: readonly ComparedPair[]) => void;
}

type ReadValue = (pair: ComparedPair["pair"]) => FeatureValue;

interface PairColumn extends TableColumn {
  readonly read: ReadValue;
}

function startPairSuite(
  suite: ExpectationSuite,
  columns: readonly PairColumn[],
  options: SuiteRunOptions,
  isTaken: (compared: ComparedPair) => boolean,
): PairSuite {
  const run = startSuite(suite, columns, options);
  return {
    run,
    take: (pairs) => {
      const taken = pairs.filter(isTaken);
      if (taken.length === 0) return;
      run.take({
        rowCount: taken.length,
        columns: columns.map(({ read }) => taken.map(({ pair }) => read(pair))),
      });
    },
  };
}

/** The time that both sides must have of an event; a field of the same name goes before it. */
const EVENT = "event_timestamp";

function startSides({ view, maxMismatch, names }: PairSuiteOptions): PairSuite {
  const sides = [...Object.entries(view.schema).map(sidesOfField), ...(EVENT in view.schema ? [] : [sidesOfEvent()])];
  const mostly: Expectation["kwargs"] = maxMismatch === 0 ? {} : { mostly: 1 - maxMismatch };
  const expectations = sides.map(([online, offline]): Expectation => {
    const kwargs = { column_A: online!.name, column_B: offline!.name, ...mostly };
    return { type: "expect_column_pair_values_to_be_equal", kwargs, meta: {}, severity: "critical", id: null };
  });
  const suite = { name: `parity.${view.name}`, id: null, expectations, meta: {} };
  // What came since, and what neither side serves, has nothing to be held against.
  const isTaken = ({ verdict }: ComparedPair) =>
    verdict.isCompared || (verdict.outcome !== "match" && verdict.outcome !== "newer");
  return startPairSuite(suite, sides.flat(), { ...names, assetName: view.name }, isTaken);
}

/** Lists and bytes are no values that a suite compares: their JSON is. */
function sidesOfField([name, type]: readonly [string, FieldType], i: number): readonly PairColumn[] {
  const isPlain = !type.list && type.kind !== "bytes";
  const shown = (value: FeatureValue) => (isPlain || value === null ? value : writeJson(toJson(type, value)));
  const shownType = isPlain ? type : string();
  return [
    { name: `online.${name}`, type: shownType, read: ({ served }) => shown(served.values[i]!) },
    { name: `offline.${name}`, type: shownType, read: ({ offline }) => shown(offline?.values[i] ?? null) },
  ];
}

function sidesOfEvent(): readonly PairColumn[] {
  return [
    { name: `online.${EVENT}`, type: timestamp(), read: ({ served }) => served.views[0]!.eventTimestampUs ?? null },
    { name: `offline.${EVENT}`, type: timestamp(), read: ({ offline }) => offline?.eventTimestampUs ?? null },
  ];
}

function startOnline({ view, names }: PairSuiteOptions, suite: ExpectationSuite): PairSuite {
  const joinKeys = viewJoinKeys(view);
  // Keys are read back from their text only where the suite asks for them.
  const text = writeJson(suite.expectations.map(({ kwargs }) => kwargs));
  const keys = Object.entries(joinKeys).map(([name, type]): PairColumn => {
    const isWanted = text.includes(name);
    return { name, type, read: ({ key }) => (isWanted ? (parseEntityKey(key, joinKeys)?.[name] ?? null) : null) };
  });
  const fields = Object.entries(view.schema).map(
    ([name, type], i): PairColumn => ({ name, type, read: ({ served }) => served.values[i]! }),
  );
  const event: PairColumn = {
    name: view.source.timestampField,
    type: timestamp(),
    read: ({ served }) => served.views[0]!.eventTimestampUs ?? null,
  };
  const { createdField } = view.source;
  const isCreatedWanted = createdField !== undefined && text.includes(createdField);
  const createdUs = (stored: Uint8Array) => {
    const order = readRowOrder(stored);
    return isOfFeast(order) ? null : order.createdTimestampUs;
  };
  const created = (createdField === undefined ? [] : [createdField]).map(
    (name): PairColumn => ({
      ...{ name, type: timestamp() },
      read: ({ stored }) => (isCreatedWanted ? createdUs(stored!) : null),
    }),
  );
  const isServed = ({ pair }: ComparedPair) => pair.served.views[0]!.status === STATUS.PRESENT;
  return startPairSuite(suite, [...keys, ...fields, event, ...created], { ...names, assetName: view.name }, isServed);
}
