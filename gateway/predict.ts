/**
 * POST /predict, top to bottom: check the request → which version answers → its features → what is missing → run →
 * answer. Requests that arrive in one turn of the event loop share one model run; each is answered as soon as it is
 * over. No step touches a source system.
 */

import { randomUUID } from "node:crypto";
import { channel } from "node:diagnostics_channel";
import { HeadgateError } from "../errors.ts";
import type { FeatureValue } from "../features/field.ts";
import { bindContext, type FeatureVector } from "../features/reader.ts";
import { findModel, resolve } from "../models/alias.ts";
import type { Models } from "../models/lifecycle.ts";
import type { LoadedModel } from "../models/loaded-model.ts";
import type { RunResult } from "../models/tensor.ts";
import { requireAdmin } from "./authorization.ts";
import { checkDeadline, type Deadline, deadlineOf, withinDeadline } from "./deadline.ts";
import { problemAnswer } from "./error-response.ts";
import type { HttpAnswer } from "./http-answer.ts";
import type { JoinedModel } from "./joined-model.ts";
import type { FedEntity } from "./missing-features.ts";
import { checkPredictRequest, type PredictRequest, parseBody } from "./predict-request.ts";
import type { BodyWait, HeaderLookup } from "./request-body.ts";

/** What the predict route needs. */
export interface PredictOptions {
  readonly models: Models;
  readonly join: (model: LoadedModel) => JoinedModel;
  readonly adminToken: string;
  readonly maxEntities: number;
  /** Budget of a request that sends none, ms. */
  readonly deadlineMs: number;
  /** Epoch ms. */
  readonly now: () => number;
  /** Monotonic ms, for durations. */
  readonly clock: () => number;
}

/** Published for every prediction whose features were read, an only entity's rejection included. */
export interface PredictionEvent {
  /** Which model and version, and the plan that the vectors follow. */
  readonly joined: JoinedModel;
  readonly vectors: readonly FeatureVector[];
  readonly featuresMs: number;
  readonly modelMs: number;
  readonly totalMs: number;
}

const predictions = channel("headgate:prediction");
/** Published for every refused prediction: `{ thrown }`. */
const refusals = channel("headgate:prediction-refused");

/** A request for predictions, whatever server took it. */
export interface PredictCall extends HeaderLookup {
  /** The body as text, see request-body.ts for what it throws or rejects with. */
  text(wait: BodyWait): string | Promise<string>;
}

/**
 * Answers a request. It never rejects: whatever goes wrong becomes a problem answer. Where the features are in this
 * process' reach and the body is here, the model's run is all that is waited for.
 */
export type Predict = (call: PredictCall) => Promise<HttpAnswer>;

/** Makes POST /predict. */
export function createPredict(options: PredictOptions): Predict {
  return (call) => {
    const requestId = requestIdOf(call.header("x-request-id"));
    return answer(call, requestId, options).catch((thrown: unknown) => {
      if (refusals.hasSubscribers) refusals.publish({ thrown });
      return problemAnswer(thrown, requestId);
    });
  };
}

/** The caller's request id if it is a plain short text, else a new one. */
export function requestIdOf(header: string | undefined): string {
  return header !== undefined && /^[\x21-\x7e]{1,128}$/.test(header) ? header : randomUUID();
}

async function answer(call: PredictCall, requestId: string, options: PredictOptions): Promise<HttpAnswer> {
  const { clock, join, models, now } = options;
  const startMs = clock();
  const nowMs = now();
  const deadline = deadlineOf(call.header("x-deadline-ms"), options.deadlineMs, startMs);
  const coming = call.text({ deadline, nowMs: startMs });
  const body = parseBody(typeof coming === "string" ? coming : await coming);
  const request = checkPredictRequest(body, options.maxEntities);
  if (request.explain) requireAdmin(options.adminToken, call.header("authorization"), `"explain" shows people's data`);
  const joined = join(resolve(findModel(models, request.model), []));
  joined.checkEntities(request.entities);

  const readMs = clock();
  const found = readFeatures(joined, request, deadline, readMs, nowMs);
  const { vectors, stale } = found instanceof Promise ? await found : found;
  const fed = vectors.map(joined.feedEntity);
  const runMs = clock();
  checkDeadline(deadline, runMs, "reading the features");
  const featuresMs = runMs - readMs;
  if (request.single && fed[0]!.rejection !== undefined) {
    publish({ joined, vectors, featuresMs, modelMs: 0, totalMs: runMs - startMs });
    throw new HeadgateError("FEATURES_MISSING", fed[0]!.rejection);
  }

  const rows = rowsOf(fed);
  const ran = rows.length === 0 ? NOTHING_RAN : await joined.model.predict(rows);
  const endMs = clock();
  checkDeadline(deadline, endMs, "running the model");

  const { version } = joined.model;
  const { explain } = request;
  const { outputs } = ran.result;
  const text = joined.answer({
    requestId,
    version,
    fed,
    vectors,
    outputs,
    firstRow: ran.offset,
    explain,
    stale,
    nowMs,
  });
  const [modelMs, totalMs] = [endMs - runMs, endMs - startMs];
  publish({ joined, vectors, featuresMs, modelMs, totalMs });
  const timing = `features;dur=${millis(featuresMs)}, model;dur=${millis(modelMs)}, total;dur=${millis(totalMs)}`;
  const headers = ["content-type", "application/json", "x-request-id", requestId, "server-timing", timing];
  return { status: 200, headers, body: text };
}

function publish(event: PredictionEvent): void {
  if (predictions.hasSubscribers) predictions.publish(event);
}

/** What the model is fed: the entities that were not rejected. */
function rowsOf(fed: readonly FedEntity[]): (readonly FeatureValue[])[] {
  const rows: (readonly FeatureValue[])[] = [];
  for (const { row } of fed) if (row !== undefined) rows.push(row);
  return rows;
}

const NOTHING_RAN = Object.freeze({ result: { outputs: [] as RunResult["outputs"] }, offset: 0 });

/** Milliseconds to the microsecond; toFixed costs three times as much. */
function millis(durationMs: number): number {
  return Math.round(durationMs * 1_000) / 1_000;
}

interface FeaturesRead {
  readonly vectors: FeatureVector[];
  /** True when the store is away and memory answered in its place. */
  readonly stale: boolean;
}

/** The features of a request, at once when the store is in this process's reach. */
function readFeatures(
  joined: JoinedModel,
  request: PredictRequest,
  deadline: Deadline,
  startMs: number,
  nowMs: number,
): FeaturesRead | Promise<FeaturesRead> {
  const { plan, read } = joined.reader;
  const context = bindContext(plan, request.context);
  const current = (vectors: FeatureVector[]) => ({ vectors, stale: false });
  const away = (thrown: unknown) => staleFeatures(thrown, joined, request, context, nowMs);
  try {
    const vectors = read(request.entities, context, nowMs);
    if (!(vectors instanceof Promise)) return current(vectors);
    return withinDeadline(vectors, deadline, startMs, "reading the features").then(current, away);
  } catch (thrown) {
    return away(thrown);
  }
}

/** What memory still holds, within the model's stale_if_error; throws what was thrown where that does not help. */
function staleFeatures(
  thrown: unknown,
  { model, reader }: JoinedModel,
  { entities }: PredictRequest,
  context: readonly FeatureValue[],
  nowMs: number,
): FeaturesRead {
  const maxStaleMs = model.manifest.staleIfErrorMs;
  const isAway = thrown instanceof HeadgateError && thrown.code === "STORE_UNREACHABLE";
  const vectors =
    isAway && maxStaleMs !== undefined ? reader.readStale(entities, context, nowMs, maxStaleMs) : undefined;
  if (vectors === undefined) throw thrown;
  return { vectors, stale: true };
}
