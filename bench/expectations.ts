/**
 * A suite of 40 Great Expectations over a million rows of four features, beside decoding the file and doing nothing with
 * it: the same decoder hands the same columns to the suite. Both are measured in turn, in this process.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ColumnValues, TableColumn } from "../batch/expectations/table-chunk.ts";
import { float32, int64, parseSuite, startSuite } from "./built.ts";
import { writeSnapshot } from "./customer-snapshot.ts";
import { endingAll } from "./ends.ts";
import { decodeRate } from "./materialize-floors.ts";
import { atMost, type BenchResult, textTable } from "./result.ts";
import { spreadOf } from "./statistics.ts";

/** How to measure. */
export interface ExpectationsBenchOptions {
  /** Takes a line for people. */
  readonly tell: (line: string) => void;
  readonly rows?: number;
  readonly rounds?: number;
}

const ROWS = 1_000_000;
const ROUNDS = 3;

const NUMBERS = ["orders_30d", "aov_30d", "returns_rate_30d", "time_since_last_d"];
const COLUMNS: readonly TableColumn[] = [
  { name: "customer_id", type: int64() },
  { name: "orders_30d", type: int64() },
  ...NUMBERS.slice(1).map((name) => ({ name, type: float32() })),
];

/** Nine of each feature and four of the key and the table: of every kind that looks at numbers. */
function suiteText(): string {
  const ofFeature = (column: string) => [
    { type: "expect_column_values_to_not_be_null", kwargs: { column } },
    { type: "expect_column_values_to_be_between", kwargs: { column, min_value: 0, max_value: 1_000 } },
    { type: "expect_column_values_to_be_of_type", kwargs: { column, type_: "float" } },
    { type: "expect_column_mean_to_be_between", kwargs: { column, min_value: 0, max_value: 1_000 } },
    { type: "expect_column_stdev_to_be_between", kwargs: { column, min_value: 0, max_value: 1_000 } },
    { type: "expect_column_median_to_be_between", kwargs: { column, min_value: 0, max_value: 1_000 } },
    { type: "expect_column_max_to_be_between", kwargs: { column, min_value: 0, max_value: 1_000 } },
    { type: "expect_column_sum_to_be_between", kwargs: { column, min_value: 0 } },
    {
      type: "expect_column_quantile_values_to_be_between",
      kwargs: {
        column,
        quantile_ranges: {
          quantiles: [0.05, 0.5, 0.95],
          value_ranges: [
            [0, null],
            [0, null],
            [0, null],
          ],
        },
      },
    },
  ];
  const expectations = [
    { type: "expect_table_row_count_to_be_between", kwargs: { min_value: 1 } },
    { type: "expect_column_values_to_be_unique", kwargs: { column: "customer_id" } },
    { type: "expect_column_values_to_not_be_null", kwargs: { column: "customer_id" } },
    { type: "expect_column_values_to_be_between", kwargs: { column: "customer_id", min_value: 1 } },
    ...NUMBERS.flatMap(ofFeature),
  ];
  return JSON.stringify({ name: "bench", expectations, meta: { great_expectations_version: "1.24.1" } });
}

/** Runs the bench over a file of its own. */
export async function benchExpectations(options: ExpectationsBenchOptions): Promise<BenchResult> {
  const { tell, rows = ROWS, rounds = ROUNDS } = options;
  const measured: { decodeSeconds: number; suiteSeconds: number }[] = [];
  await endingAll(async (keep) => {
    const directory = mkdtempSync(join(tmpdir(), "headgate-bench-expectations-"));
    await keep({ remove: () => rmSync(directory, { recursive: true }) });
    const path = join(directory, "customers.parquet");
    await writeSnapshot({ file: path, rows, eventMs: Date.now(), seed: 1, isNullable: true });
    for (let round = 0; round < rounds; round++) {
      const decodeSeconds = rows / (await decodeRate(path));
      measured.push({ decodeSeconds, suiteSeconds: await runSuite(path, rows) });
    }
  });
  const ratio = spreadOf(measured.map(({ decodeSeconds, suiteSeconds }) => suiteSeconds / decodeSeconds));
  const told = measured.map(({ decodeSeconds, suiteSeconds }) => [decodeSeconds.toFixed(2), suiteSeconds.toFixed(2)]);
  tell(`\n${textTable(["decoding alone, s", "decoding and 40 expectations, s"], told)}\n`);
  return {
    figures: { rows, measured },
    bars: [atMost("decoding and 40 expectations over decoding alone", ratio?.median, "×", 5)],
  };
}

/** Seconds of decoding the file and running the suite over it, to its result. */
async function runSuite(path: string, rows: number): Promise<number> {
  const startMs = performance.now();
  const suite = parseSuite(suiteText(), "bench");
  const run = startSuite(suite, COLUMNS, { runTime: new Date().toISOString() });
  let group = new Map<string, ColumnValues>();
  await decodeRate(
    path,
    (column, values) => {
      if (group.has(column)) throw new Error(`Column ${column} came in parts; write whole row groups as one.`);
      // As a load hands them over: whole numbers that a double holds are doubles.
      group.set(
        column,
        typeof values[0] === "bigint" ? Array.from(values as bigint[], Number) : (values as ColumnValues),
      );
    },
    (rowCount) => {
      run.take({ rowCount, columns: COLUMNS.map(({ name }) => group.get(name)!) });
      group = new Map();
    },
  );
  const { statistics, success } = run.finish();
  const failed = statistics.unsuccessful_expectations - NUMBERS.length;
  // Of type: pandas' names of these columns are other ones, so these four are told and fail.
  if (success || statistics.evaluated_expectations !== 40 || failed !== 0) {
    throw new Error(`The suite over ${rows} rows found otherwise: ${JSON.stringify(statistics)}`);
  }
  return (performance.now() - startMs) / 1_000;
}
