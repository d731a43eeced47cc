/**
 * POST /predict, top to bottom: check the request → which version answers whom → its features → what is missing → run →
 * answer → shadows. Requests that arrive in one turn of the event loop share one model run; each is answered as soon as
 * it is over. No step touches a source system.
 */

import { randomUUID } from "node:crypto";
import { channel } from "node:diagnostics_channel";
import { HeadgateError } from "../errors.ts";
import type { FeatureVector } from "../features/feature-vector.ts";
import type { FeatureValue } from "../features/field.ts";
import type { EntityKeys } from "../features/reader.ts";
import { findModel } from "../models/alias.ts";
import type { Models, ServedModel } from "../models/lifecycle.ts";
import type { LoadedModel } from "../models/loaded-model.ts";
import type { RunResult } from "../models/tensor.ts";
import { requireAdmin } from "./authorization.ts";
import type { CanaryWatch } from "./canary-watch.ts";
import { checkDeadline, type Deadline, deadlineOf, withinDeadline } from "./deadline.ts";
import { problemAnswer } from "./error-response.ts";
import type { HttpAnswer } from "./http-answer.ts";
import type { JoinedModel } from "./joined-model.ts";
import type { FedEntity } from "./missing-features.ts";
import { answerOf, type EntityTexts } from "./predict-answer.ts";
import { checkPredictRequest, type PredictRequest, parseBody } from "./predict-request.ts";
import type { BodyWait, HeaderLookup } from "./request-body.ts";
import { partsOf, type RequestPart } from "./request-part.ts";
import { readFeatures } from "./served-features.ts";
import type { AnsweredPart, FollowShadows } from "./shadow.ts";

/** What the predict route needs. */
export interface PredictOptions {
  readonly models: Models;
  readonly join: (model: LoadedModel) => JoinedModel;
  readonly canaries: CanaryWatch;
  readonly shadows: FollowShadows;
  readonly adminToken: string;
  readonly maxEntities: number;
  /** Budget of a request that sends none, ms. */
  readonly deadlineMs: number;
  /** Epoch ms. */
  readonly now: () => number;
  /** Monotonic ms, for durations. */
  readonly clock: () => number;
}

/**
 * Published for the entities of a request that one version answered, an only entity's rejection included: once, or as
 * often as there are versions with a part in it.
 */
export interface PredictionEvent {
  /** Which model and version, and the plan that the vectors follow. */
  readonly joined: JoinedModel;
  readonly requestId: string;
  readonly entities: readonly EntityKeys[];
  readonly vectors: readonly FeatureVector[];
  /** Epoch ms that the features were read at. */
  readonly nowMs: number;
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
  const { clock, models, now } = options;
  const startMs = clock();
  const nowMs = now();
  const deadline = deadlineOf(call.header("x-deadline-ms"), options.deadlineMs, startMs);
  const coming = call.text({ deadline, nowMs: startMs });
  const body = parseBody(typeof coming === "string" ? coming : await coming);
  const request = checkPredictRequest(body, options.maxEntities);
  if (request.explain) requireAdmin(options.adminToken, call.header("authorization"), `"explain" shows people's data`);
  const served = findModel(models, request.model);
  const parts = partsOf(served, request.entities, call.header("x-headgate-version"), requestId, options);
  const work: PartWork = { served, request, requestId, deadline, startMs, nowMs, options };
  const [only] = parts;
  const answered =
    parts.length === 1
      ? [await answerPart(only!, work)]
      : await Promise.all(parts.map((part) => answerPart(part, work)));

  const text =
    answered.length === 1 && answered[0]!.part.positions === undefined
      ? answered[0]!.joined.answer.whole(requestId, answered[0]!)
      : answerOf(requestId, served.name, inRequestOrder(answered, request.entities.length));
  if (served.shadows.length > 0) options.shadows(served, { parts: answered, context: request.context, nowMs });
  const timing = `features;dur=${millis(longest(answered, "featuresMs"))}, model;dur=${millis(longest(answered, "modelMs"))}, total;dur=${millis(clock() - startMs)}`;
  const headers = ["content-type", "application/json", "x-request-id", requestId, "server-timing", timing];
  return { status: 200, headers, body: text };
}

/** What the parts of a request share. */
interface PartWork {
  readonly served: ServedModel;
  readonly request: PredictRequest;
  readonly requestId: string;
  readonly deadline: Deadline;
  /** When the request came, by the clock. */
  readonly startMs: number;
  readonly nowMs: number;
  readonly options: PredictOptions;
}

/** What a version answered for its part. */
interface PartAnswer extends AnsweredPart {
  readonly part: RequestPart;
  readonly version: number;
  readonly explain: boolean;
  readonly stale: boolean;
  readonly nowMs: number;
  readonly featuresMs: number;
  readonly modelMs: number;
}

/** Answers a part by its version; a canary that fails is counted, and the stable version answers for it. */
async function answerPart(part: RequestPart, work: PartWork): Promise<PartAnswer> {
  const { joined, fallback } = part;
  if (fallback === undefined) return answerBy(joined, part, work);
  const { canaries } = work.options;
  // Held from here, where it is known to be ready: it may be swapped while the canary runs.
  fallback.model.enter();
  try {
    const answered = await answerBy(joined, part, work);
    canaries.took(work.served, false);
    return answered;
  } catch (thrown) {
    if (!isOfVersion(thrown)) throw thrown;
    canaries.took(work.served, true);
    return await answerBy(fallback, part, work);
  } finally {
    fallback.model.leave();
  }
}

/** Failures that another version may not have. */
const OF_VERSION: ReadonlySet<string> = new Set([
  "MODEL_FAILED",
  "MODEL_UNAVAILABLE",
  "OVERLOADED",
  "SIGNATURE_MISMATCH",
]);

const isOfVersion = (thrown: unknown): boolean => thrown instanceof HeadgateError && OF_VERSION.has(thrown.code);

/** Features, missing policy, run. The version is held from here to its answer, so that a swap waits for it. */
async function answerBy(joined: JoinedModel, part: RequestPart, work: PartWork): Promise<PartAnswer> {
  const { request, requestId, deadline, startMs, nowMs, options } = work;
  const { entities } = part;
  const { clock } = options;
  const { model } = joined;
  model.enter();
  try {
    const readMs = clock();
    const reading = readFeatures(joined, { entities, context: request.context, deadline, startMs: readMs, nowMs });
    const { vectors, stale } = reading instanceof Promise ? await reading : reading;
    const fed = vectors.map(joined.feedEntity);
    const runMs = clock();
    checkDeadline(deadline, runMs, "reading the features");
    const featuresMs = runMs - readMs;
    const event = { joined, requestId, entities, vectors, nowMs, featuresMs };
    if (request.single && fed[0]!.rejection !== undefined) {
      joined.statistics.answered(NOTHING_RAN.result.outputs, 0, 0, 1, 0);
      publish({ ...event, modelMs: 0, totalMs: runMs - startMs });
      throw new HeadgateError("FEATURES_MISSING", fed[0]!.rejection);
    }

    const rows = rowsOf(fed);
    const { result, offset } = await run(joined, rows, deadline, options);
    const endMs = clock();
    const modelMs = endMs - runMs;
    const { outputs } = result;
    joined.statistics.answered(outputs, offset, rows.length, fed.length - rows.length, modelMs);
    publish({ ...event, modelMs, totalMs: endMs - startMs });
    const { explain } = request;
    const { version } = model;
    return {
      joined,
      part,
      entities,
      version,
      vectors,
      fed,
      outputs,
      firstRow: offset,
      explain,
      stale,
      nowMs,
      featuresMs,
      modelMs,
    };
  } finally {
    model.leave();
  }
}

/** Runs the model within what is left of the deadline; whatever keeps it from answering in time is the version's failure. */
async function run(joined: JoinedModel, rows: readonly FedRow[], deadline: Deadline, { clock }: PredictOptions) {
  if (rows.length === 0) return NOTHING_RAN;
  const { model, statistics } = joined;
  try {
    const nowMs = clock();
    const running = model.predict(rows, deadline.atMs - nowMs);
    // A run in this thread can't be given up: only what runs elsewhere is raced.
    const ran = await (model.placement === "inline" ? running : withinDeadline(running, deadline, nowMs, RUNNING));
    checkDeadline(deadline, clock(), RUNNING);
    return ran;
  } catch (thrown) {
    statistics.failed();
    throw thrown;
  }
}

const RUNNING = "running the model";

/** Entity by entity, each where it was in the request. */
function inRequestOrder(answered: readonly PartAnswer[], count: number): readonly EntityTexts[] {
  const texts = new Array<EntityTexts>(count);
  for (const one of answered) {
    const { positions } = one.part;
    for (const [i, text] of one.joined.answer.each(one).entries()) texts[positions?.[i] ?? i] = text;
  }
  return texts;
}

function longest(answered: readonly PartAnswer[], step: "featuresMs" | "modelMs"): number {
  return answered.length === 1 ? answered[0]![step] : Math.max(...answered.map((part) => part[step]));
}

function publish(event: PredictionEvent): void {
  if (predictions.hasSubscribers) predictions.publish(event);
}

type FedRow = readonly FeatureValue[];

/** What the model is fed: the entities that were not rejected. */
function rowsOf(fed: readonly FedEntity[]): FedRow[] {
  const rows: FedRow[] = [];
  for (const { row } of fed) if (row !== undefined) rows.push(row);
  return rows;
}

const NOTHING_RAN = Object.freeze({ result: { outputs: [] as RunResult["outputs"] }, offset: 0 });

/** Milliseconds to the microsecond; toFixed costs three times as much. */
function millis(durationMs: number): number {
  return Math.round(durationMs * 1_000) / 1_000;
}
