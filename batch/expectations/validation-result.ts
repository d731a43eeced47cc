/**
 * The result of a suite as Great Expectations 1.24 writes it: members, names, statistics and the order of the results,
 * so that its users and tools know it. Ids, times and names come from the caller.
 */

import { type JsonValue, writeJson } from "../../features/json-value.ts";
import type { ExpectationFault } from "./expectation-fault.ts";
import type { Outcome, ResultDetail } from "./result-format.ts";
import type { Expectation, Severity } from "./suite.ts";
import type { ExpectationType } from "./suite-kwargs.ts";

/** The version whose results these are. */
const GREAT_EXPECTATIONS_VERSION = "1.24.1";

/** How an exception is told. */
export interface ExceptionInfo {
  readonly raised_exception: boolean;
  readonly exception_traceback: string | null;
  readonly exception_message: string | null;
}

/** What became of one expectation. */
export interface ExpectationResult {
  readonly success: boolean;
  readonly expectation_config: {
    readonly type: ExpectationType;
    readonly kwargs: Readonly<Record<string, JsonValue>>;
    readonly meta: JsonValue;
    readonly id: string | null;
    readonly severity: Severity;
    readonly description?: string;
    readonly notes?: JsonValue;
  };
  readonly result: ResultDetail;
  readonly meta: Readonly<Record<string, JsonValue>>;
  /** When metrics failed, keyed by their ids. */
  readonly exception_info: ExceptionInfo | Readonly<Record<string, ExceptionInfo>>;
}

/** What became of a suite; `validationText` writes it. */
export interface ValidationResult {
  readonly success: boolean;
  readonly results: readonly ExpectationResult[];
  readonly suite_name: string;
  readonly suite_parameters: Readonly<Record<string, JsonValue>>;
  readonly statistics: {
    readonly evaluated_expectations: number;
    readonly successful_expectations: number;
    readonly unsuccessful_expectations: number;
    readonly success_percent: number | null;
  };
  readonly meta: Readonly<Record<string, JsonValue>>;
  readonly id: string | null;
}

/** The result as JSON, with exact integers; what is not finite is a text. */
export function validationText(result: ValidationResult): string {
  return writeJson(result as unknown as JsonValue);
}

/** What a run is called. */
export interface RunNames {
  /** RFC 3339. */
  readonly runTime: string;
  readonly runName?: string | null;
  readonly validationId?: string | null;
  readonly checkpointId?: string | null;
  /** The batch's; by default the data source and the asset. */
  readonly batchId?: string;
  readonly datasourceName?: string;
  readonly assetName?: string;
}

const DATASOURCE = "headgate";
const ASSET = "table";

/** The batch's id as results show it. */
export function batchIdOf({ batchId, datasourceName = DATASOURCE, assetName = ASSET }: RunNames): string {
  return batchId ?? `${datasourceName}-${assetName}`;
}

/** An expectation that ran. */
export function ordinaryResult(expectation: Expectation, batchId: string, outcome: Outcome): ExpectationResult {
  const nothingRaised = { raised_exception: false, exception_traceback: null, exception_message: null };
  return { ...outcome, ...configured(expectation, batchId), meta: {}, exception_info: nothingRaised };
}

/** An expectation that could not be run. Faults of metrics are keyed by the metrics' ids, the others are not. */
export function faultyResult(expectation: Expectation, batchId: string, fault: ExpectationFault): ExpectationResult {
  const told = { exception_traceback: null, exception_message: fault.message, raised_exception: true };
  const domain = domainText(expectation.kwargs);
  // All that can fail of an expectation on the table is its condition, which only the count of rows needs.
  const metrics = expectation.type.startsWith("expect_table_") ? ["table.row_count"] : fault.metrics;
  const keyed = metrics?.map((metric) => [metricId(metric, domain), told] as const);
  const exception = keyed === undefined ? told : Object.fromEntries(keyed);
  return { success: false, ...configured(expectation, batchId), result: {}, meta: {}, exception_info: exception };
}

function configured({ type, kwargs, meta, severity, id, ...more }: Expectation, batchId: string) {
  const { description, notes } = more;
  return {
    expectation_config: {
      type,
      kwargs: { ...kwargs, batch_id: batchId },
      meta,
      id,
      severity,
      ...(description === undefined ? {} : { description }),
      ...(notes === undefined ? {} : { notes }),
    },
  };
}

/** The original has a hash of the domain where this has the columns. */
function metricId(metric: string, domain: string): string {
  return `MetricConfigurationID(metric_name='${metric}', metric_domain_kwargs_id='${domain}', metric_value_kwargs_id=())`;
}

function domainText({ column, column_A, column_B, column_list }: Expectation["kwargs"]): string {
  const columns = [column, column_A, column_B, ...((column_list ?? []) as readonly JsonValue[])];
  return columns.filter((one) => typeof one === "string").join(",");
}

/** The whole result; `results` are in their order. */
export function validationResult(
  suiteName: string,
  results: readonly ExpectationResult[],
  names: RunNames,
): ValidationResult {
  const successful = results.filter(({ success }) => success).length;
  return {
    success: successful === results.length,
    results,
    suite_name: suiteName,
    suite_parameters: {},
    statistics: {
      evaluated_expectations: results.length,
      successful_expectations: successful,
      unsuccessful_expectations: results.length - successful,
      success_percent: results.length === 0 ? null : (successful / results.length) * 100,
    },
    meta: metaOf(names),
    id: null,
  };
}

function metaOf({ runTime, runName = null, validationId = null, checkpointId = null, ...names }: RunNames) {
  return {
    great_expectations_version: GREAT_EXPECTATIONS_VERSION,
    batch_spec: {},
    batch_markers: {},
    active_batch_definition: {
      datasource_name: names.datasourceName ?? DATASOURCE,
      data_connector_name: "fluent",
      data_asset_name: names.assetName ?? ASSET,
      batch_identifiers: {},
    },
    validation_id: validationId,
    checkpoint_id: checkpointId,
    run_id: { run_name: runName, run_time: runTime },
    validation_time: runTime,
    batch_parameters: null,
  };
}
