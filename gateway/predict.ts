/**
 * POST /predict, top to bottom: check the request → which version answers → its features → what is missing → run →
 * answer. Requests that arrive in one turn of the event loop share one model run; each is answered as soon as it is
 * over. No step touches a source system.
 */

import { randomUUID } from "node:crypto";
import { channel } from "node:diagnostics_channel";
import type { Context } from "hono";
import { HeadgateError } from "../errors.ts";
import { bindContext, type FeatureVector } from "../features/reader.ts";
import { findModel, resolve } from "../models/alias.ts";
import type { Models } from "../models/lifecycle.ts";
import type { LoadedModel } from "../models/loaded-model.ts";
import type { RunResult } from "../models/tensor.ts";
import { requireAdmin } from "./authorization.ts";
import { checkDeadline, type Deadline, deadlineOf, withinDeadline } from "./deadline.ts";
import { problemResponse } from "./error-response.ts";
import type { JoinedModel } from "./joined-model.ts";
import type { FedEntity } from "./missing-features.ts";
import { checkPredictRequest, type PredictRequest, parseBody } from "./predict-request.ts";
import { readJsonText } from "./request-body.ts";

/** What the predict route needs. */
export interface PredictOptions {
  readonly models: Models;
  readonly join: (model: LoadedModel) => JoinedModel;
  readonly adminToken: string;
  readonly maxEntities: number;
  readonly maxBodyBytes: number;
  /** Budget of a request that sends none, ms. */
  readonly deadlineMs: number;
  /** Epoch ms. */
  readonly now: () => number;
  /** Monotonic ms, for durations. */
  readonly clock: () => number;
}

/** Published for every answered prediction. */
export interface PredictionEvent {
  readonly model: string;
  readonly version: number;
  readonly entities: number;
  readonly vectors: readonly FeatureVector[];
  readonly joined: JoinedModel;
  readonly featuresMs: number;
  readonly modelMs: number;
  readonly totalMs: number;
}

const predictions = channel("headgate:prediction");
/** Published for every refused prediction: `{ thrown }`. */
const refusals = channel("headgate:prediction-refused");

/** The handler of POST /predict. It never rejects: whatever is thrown becomes a problem response. */
export function createPredict(options: PredictOptions): (c: Context) => Promise<Response> {
  return async (c) => {
    const requestId = requestIdOf(c.req.header("x-request-id"));
    try {
      return await answer(c, requestId, options);
    } catch (thrown) {
      if (refusals.hasSubscribers) refusals.publish({ thrown });
      return problemResponse(thrown, requestId);
    }
  };
}

/** The caller's request id if it is a plain short text, else a new one. */
export function requestIdOf(header: string | undefined): string {
  return header !== undefined && /^[\x21-\x7e]{1,128}$/.test(header) ? header : randomUUID();
}

async function answer(c: Context, requestId: string, options: PredictOptions): Promise<Response> {
  const { now, clock } = options;
  const startMs = clock();
  const deadline = deadlineOf(c.req.header("x-deadline-ms"), options.deadlineMs, now());
  const body = parseBody(await readJsonText(c.req, options.maxBodyBytes));
  const request = checkPredictRequest(body, options.maxEntities);
  if (request.explain) requireAdmin(options.adminToken, c.req.header("authorization"), `"explain"`);
  const joined = options.join(resolve(findModel(options.models, request.model), []));

  const readMs = clock();
  const nowMs = now();
  const { vectors, stale } = await readFeatures(joined, request, deadline, nowMs);
  const fed = vectors.map(joined.feedEntity);
  if (request.single && fed[0]!.rejection !== undefined) throw new HeadgateError("FEATURES_MISSING", fed[0]!.rejection);
  checkDeadline(deadline, now(), "reading the features");

  const runMs = clock();
  const { outputs, firstRow } = await runModel(joined, fed);
  checkDeadline(deadline, now(), "running the model");

  const endMs = clock();
  const version = joined.model.version;
  const text = joined.answer({
    requestId,
    version,
    fed,
    vectors,
    outputs,
    firstRow,
    explain: request.explain,
    stale,
    nowMs,
  });
  const [featuresMs, modelMs, totalMs] = [runMs - readMs, endMs - runMs, endMs - startMs];
  if (predictions.hasSubscribers) {
    const event = {
      model: request.model,
      version,
      entities: fed.length,
      vectors,
      joined,
      featuresMs,
      modelMs,
      totalMs,
    };
    predictions.publish(event satisfies PredictionEvent);
  }
  return new Response(text, {
    headers: {
      "content-type": "application/json",
      "x-request-id": requestId,
      "server-timing": `features;dur=${featuresMs.toFixed(3)}, model;dur=${modelMs.toFixed(3)}, total;dur=${totalMs.toFixed(3)}`,
    },
  });
}

/** The features of a request. `stale` is true when the store is away and memory answered in its place. */
async function readFeatures(
  { checkEntities, model, reader }: JoinedModel,
  { entities, context: given }: PredictRequest,
  deadline: Deadline,
  nowMs: number,
): Promise<{ readonly vectors: FeatureVector[]; readonly stale: boolean }> {
  checkEntities(entities);
  const context = bindContext(reader.plan, given);
  try {
    const read = reader.read(entities, context, nowMs);
    const waited = read instanceof Promise ? await withinDeadline(read, deadline, nowMs, "reading the features") : read;
    return { vectors: waited, stale: false };
  } catch (thrown) {
    const maxStaleMs = model.manifest.staleIfErrorMs;
    const isAway = thrown instanceof HeadgateError && thrown.code === "STORE_UNREACHABLE";
    const vectors =
      isAway && maxStaleMs !== undefined ? reader.readStale(entities, context, nowMs, maxStaleMs) : undefined;
    if (vectors === undefined) throw thrown;
    return { vectors, stale: true };
  }
}

const NO_ROWS = Object.freeze({ outputs: [] as RunResult["outputs"], firstRow: 0 });

/** Runs the entities that were not rejected; their rows are consecutive in the outputs from `firstRow` on. */
async function runModel(
  { model }: JoinedModel,
  fed: readonly FedEntity[],
): Promise<{ outputs: RunResult["outputs"]; firstRow: number }> {
  const rows = fed.flatMap((entity) => (entity.row === undefined ? [] : [entity.row]));
  if (rows.length === 0) return NO_ROWS;
  const { result, offset } = await model.predict(rows);
  return { outputs: result.outputs, firstRow: offset };
}
