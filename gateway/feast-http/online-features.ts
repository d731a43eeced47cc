/**
 * POST /get-online-features from top to bottom: the shape → the plan → the join keys → the reader that predictions
 * read by → the answer. Where the rows are in this process' reach nothing is waited for but the body.
 */

import { HeadgateError } from "../../errors.ts";
import type { FeatureVector } from "../../features/feature-vector.ts";
import { type FeatureValue, REFUSED } from "../../features/field.ts";
import type { EntityKeys, FeatureReader } from "../../features/reader.ts";
import { shown } from "../../features/shown.ts";
import { requireAdmin } from "../authorization.ts";
import { deadlineOf, withinDeadline } from "../deadline.ts";
import type { AnswerCall, RouteCall } from "../direct-route.ts";
import { asHeadgateError } from "../error-response.ts";
import type { HttpAnswer } from "../http-answer.ts";
import { requestIdOf } from "../predict.ts";
import { parseBody } from "../predict-request.ts";
import type { KeyColumn } from "./asked-features.ts";
import { feastAnswer } from "./feast-answer.ts";
import { publishFeastCall } from "./feast-call.ts";
import { feastProblem } from "./feast-error.ts";
import {
  createOnlineFeaturesPlans,
  type OnlineFeaturesPlansOptions,
  type RequestColumn,
} from "./online-features-plan.ts";
import { checkOnlineFeaturesRequest, type OnlineFeaturesRequest } from "./online-features-request.ts";

/** What the route needs. */
export interface OnlineFeaturesOptions extends OnlineFeaturesPlansOptions {
  /** Empty: there is none. */
  readonly adminToken: string;
  /** True: a read needs no token where there is one. */
  readonly readsOpen: boolean;
  readonly maxEntities: number;
  /** Budget of a request that sends none, ms. */
  readonly deadlineMs: number;
  /** Epoch ms. */
  readonly now: () => number;
  /** Monotonic ms, for durations. */
  readonly clock: () => number;
}

const ROUTE = "get-online-features";
const WHY_TOKEN = "Feature values are for who has the admin token (feastReads: open gives them to everybody)";

/** Makes the route. It never rejects. */
export function createOnlineFeatures(options: OnlineFeaturesOptions): AnswerCall {
  const planOf = createOnlineFeaturesPlans(options);
  const { adminToken, clock, deadlineMs, maxEntities, now, readsOpen } = options;

  async function answer(call: RouteCall, requestId: string, startMs: number): Promise<HttpAnswer> {
    if (!readsOpen) requireAdmin(adminToken, call.header("authorization"), WHY_TOKEN);
    const deadline = deadlineOf(call.header("x-deadline-ms"), deadlineMs, startMs);
    requireMediaType(call);
    const coming = call.text({ deadline, nowMs: startMs });
    const text = typeof coming === "string" ? coming : await coming;
    const request = checkOnlineFeaturesRequest(parseBody(text), maxEntities);
    const { reader, requestColumns, keys, answer: write } = planOf(request);
    const rowCount = request.rowCount ?? 1;
    const keyValues = keys.map((key) => takeColumn(key, request.entities[key.sentAs]!));
    const reading = reader && readRows(reader, requestColumns, rowsOf(keys, keyValues, rowCount), request, now());
    const vectors = reading instanceof Promise ? await withinDeadline(reading, deadline, clock(), READING) : reading;
    const body = write(keyValues, vectors, rowCount);
    publishFeastCall(ROUTE, "ok", clock() - startMs);
    return feastAnswer(200, body, requestId);
  }

  return (call) => {
    const requestId = requestIdOf(call.header("x-request-id"));
    const startMs = clock();
    return answer(call, requestId, startMs).catch((thrown: unknown) => {
      const error = asHeadgateError(thrown, requestId);
      publishFeastCall(ROUTE, error.code, clock() - startMs);
      return feastProblem(error, requestId);
    });
  };
}

/** As Feast's server does: without the type a page of another site could post here through a browser. */
export function requireMediaType(call: RouteCall): void {
  if (call.header("content-type") !== undefined) return;
  throw new HeadgateError(
    "UNSUPPORTED_MEDIA_TYPE",
    "The body was sent without a type; send content-type: application/json.",
  );
}

const READING = "reading the features";

function takeColumn({ sentAs, take, typeName }: KeyColumn, column: readonly unknown[]): readonly FeatureValue[] {
  const values = new Array<FeatureValue>(column.length);
  for (let row = 0; row < column.length; row++) {
    const value = take(column[row]);
    if (value === REFUSED || value === null) {
      throw new HeadgateError(
        "ENTITY_KEY_INVALID",
        `entities.${sentAs}[${row}] is ${shown(column[row])}; the join key takes ${typeName}.`,
      );
    }
    values[row] = value;
  }
  return values;
}

function rowsOf(
  keys: readonly KeyColumn[],
  keyValues: readonly (readonly FeatureValue[])[],
  rowCount: number,
): readonly EntityKeys[] {
  const rows = new Array<Record<string, FeatureValue>>(rowCount);
  for (let row = 0; row < rowCount; row++) {
    const entity: Record<string, FeatureValue> = {};
    for (let i = 0; i < keys.length; i++) entity[keys[i]!.joinKey] = keyValues[i]![row]!;
    rows[row] = entity;
  }
  return rows;
}

/**
 * Feast has request features among the entities, so each row has its own and is read by itself. All of them are taken
 * before the first read, and a read never throws here: what is thrown beside a pending read leaves a rejection that
 * nobody waits for, which ends the process.
 */
function readRows(
  reader: FeatureReader,
  columns: readonly RequestColumn[],
  rows: readonly EntityKeys[],
  { entities }: OnlineFeaturesRequest,
  nowMs: number,
): FeatureVector[] | Promise<FeatureVector[]> {
  if (columns.length === 0) return reader.read(rows, NO_CONTEXT, nowMs);
  const contexts = rows.map((_, row) =>
    columns.map((column) => takeRequestFeature(column, entities[column.name], row)),
  );
  const reading = rows.map(async (one, row) => reader.read([one], contexts[row]!, nowMs));
  return Promise.all(reading).then((read) => read.flat());
}

const NO_CONTEXT: readonly FeatureValue[] = Object.freeze([]);

function takeRequestFeature(
  { name, source, take, typeName }: RequestColumn,
  column: readonly unknown[] | undefined,
  row: number,
): FeatureValue {
  if (column === undefined) {
    throw new HeadgateError("CONTEXT_INVALID", `"entities" lacks ${name}, a request feature of "${source}".`);
  }
  const value = take(column[row]);
  if (value !== REFUSED) return value;
  throw new HeadgateError(
    "CONTEXT_INVALID",
    `entities.${name}[${row}] is ${shown(column[row])}; "${source}" takes ${typeName}.`,
  );
}
