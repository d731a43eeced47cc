/**
 * What one version answers for its part of a request: its features → what is missing → run → counted. The version is held
 * from the turn that chose it to its answer, so that a swap waits for it. A canary that fails has failed alone: it is
 * counted, and the stable version answers its entities.
 */

import { channel } from "node:diagnostics_channel";
import { HeadgateError } from "../errors.ts";
import type { FeatureVector } from "../features/feature-vector.ts";
import type { FeatureValue } from "../features/field.ts";
import type { EntityKeys } from "../features/reader.ts";
import type { BatchedResult } from "../models/batcher.ts";
import type { ServedModel } from "../models/lifecycle.ts";
import type { CanaryWatch } from "./canary-watch.ts";
import { checkDeadline, type Deadline, withinDeadline } from "./deadline.ts";
import type { EntityContexts } from "./entity-contexts.ts";
import type { JoinedModel } from "./joined-model.ts";
import type { FedEntity } from "./missing-features.ts";
import type { Prediction } from "./predict-answer.ts";
import type { PredictRequest } from "./predict-request.ts";
import type { RequestPart } from "./request-part.ts";
import { readFeatures } from "./served-features.ts";
import type { AnsweredPart } from "./shadow.ts";

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

/** What the parts of a request share. */
export interface PartWork {
  readonly served: ServedModel;
  readonly request: PredictRequest;
  /** The request features of each entity, in the request's order, where they are not the same for all. */
  readonly contexts?: EntityContexts | undefined;
  readonly requestId: string;
  readonly deadline: Deadline;
  /** When the request came, by the clock. */
  readonly startMs: number;
  /** Epoch ms. */
  readonly nowMs: number;
  /** Monotonic ms. */
  readonly clock: () => number;
  readonly canaries: CanaryWatch;
}

/** What a version answered for its part. */
export interface PartAnswer extends AnsweredPart, Prediction {
  readonly part: RequestPart;
  readonly outputs: AnsweredPart["outputs"];
  readonly featuresMs: number;
  readonly modelMs: number;
}

/** Answers a part. Rejects with what reading its features throws, and with what keeps its model from answering. */
export function answerPart(part: RequestPart, work: PartWork): Promise<PartAnswer> {
  const { joined, fallback } = part;
  return fallback === undefined ? answerBy(joined, part, work) : answerByEither(joined, fallback, part, work);
}

/** By the canary, or by the version that stands in for it. */
async function answerByEither(
  canary: JoinedModel,
  fallback: JoinedModel,
  part: RequestPart,
  work: PartWork,
): Promise<PartAnswer> {
  // Held from here, where it is known to be ready: it may be swapped while the canary runs.
  fallback.model.enter();
  try {
    return await answerBy(canary, part, work);
  } catch (thrown) {
    if (!isOfVersion(thrown)) throw thrown;
    return await answerBy(fallback, part, work);
  } finally {
    fallback.model.leave();
  }
}

/** Failures that another version may not have, and that leave it the time to answer. */
const OF_VERSION: ReadonlySet<string> = new Set([
  "MODEL_FAILED",
  "MODEL_UNAVAILABLE",
  "OVERLOADED",
  "SIGNATURE_MISMATCH",
]);

const isOfVersion = (thrown: unknown): boolean => thrown instanceof HeadgateError && OF_VERSION.has(thrown.code);

async function answerBy(joined: JoinedModel, part: RequestPart, work: PartWork): Promise<PartAnswer> {
  const { request, requestId, deadline, startMs, nowMs, clock } = work;
  const { entities } = part;
  const { model } = joined;
  model.enter();
  try {
    const readMs = clock();
    const { context } = request;
    const contexts = contextsOf(part, work);
    const reading = readFeatures(joined, { entities, context, contexts, deadline, startMs: readMs, nowMs });
    const { vectors, stale } = reading instanceof Promise ? await reading : reading;
    const fed = vectors.map(joined.feedEntity);
    const runMs = clock();
    checkDeadline(deadline, runMs, "reading the features");
    const featuresMs = runMs - readMs;
    const rows = rowsOf(fed);
    let ran = NOTHING_RAN;
    let endMs = runMs;
    if (rows.length > 0) {
      try {
        ran = await run(joined, rows, deadline, runMs);
        endMs = clock();
        checkDeadline(deadline, endMs, RUNNING);
      } catch (thrown) {
        countFailure(joined, part, work, thrown);
        throw thrown;
      }
    }
    const modelMs = endMs - runMs;
    const { result, offset } = ran;
    const { outputs } = result;
    countAnswer(joined, part, work, { outputs, firstRow: offset, rows: rows.length, fed: fed.length, modelMs });
    if (predictions.hasSubscribers) {
      const totalMs = endMs - startMs;
      // A literal: the runtime copies a spread member by member, at 2 µs a request.
      const event: PredictionEvent = { joined, requestId, entities, vectors, nowMs, featuresMs, modelMs, totalMs };
      predictions.publish(event);
    }
    if (request.single && fed[0]!.rejection !== undefined) {
      throw new HeadgateError("FEATURES_MISSING", fed[0]!.rejection);
    }
    const { explain } = request;
    const { version } = model;
    const firstRow = offset;
    return {
      joined,
      part,
      entities,
      contexts,
      version,
      vectors,
      fed,
      outputs,
      firstRow,
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

/** Of the part's own entities. */
function contextsOf({ positions }: RequestPart, { contexts }: PartWork): EntityContexts | undefined {
  return contexts === undefined || positions === undefined ? contexts : positions.map((i) => contexts[i]);
}

/** Runs the model within what is left of the deadline. */
function run(
  { model }: JoinedModel,
  rows: readonly FedRow[],
  deadline: Deadline,
  nowMs: number,
): Promise<BatchedResult> {
  const running = model.predict(rows, deadline.atMs - nowMs);
  // A run in this thread can't be given up: only what runs elsewhere is raced.
  return model.placement === "inline" ? running : withinDeadline(running, deadline, nowMs, RUNNING);
}

const RUNNING = "running the model";

interface Counted {
  readonly outputs: AnsweredPart["outputs"];
  readonly firstRow: number;
  readonly rows: number;
  readonly fed: number;
  readonly modelMs: number;
}

/** A tester's request is nobody's traffic: whoever can send a header could end a canary with it. */
function countAnswer(joined: JoinedModel, part: RequestPart, work: PartWork, counted: Counted): void {
  if (part.isAsked) return;
  const { outputs, firstRow, rows, fed, modelMs } = counted;
  joined.statistics.answered(outputs, firstRow, rows, fed - rows, modelMs);
  if (isByCanary(joined, part)) work.canaries.took(work.served, false);
}

function countFailure(joined: JoinedModel, part: RequestPart, work: PartWork, thrown: unknown): void {
  if (part.isAsked) return;
  joined.statistics.failed(thrown);
  if (isByCanary(joined, part)) work.canaries.took(work.served, true);
}

const isByCanary = (joined: JoinedModel, part: RequestPart): boolean =>
  part.fallback !== undefined && joined === part.joined;

type FedRow = readonly FeatureValue[];

/** What the model is fed: the entities that were not rejected. */
function rowsOf(fed: readonly FedEntity[]): FedRow[] {
  const rows: FedRow[] = [];
  for (const { row } of fed) if (row !== undefined) rows.push(row);
  return rows;
}

const NOTHING_RAN: BatchedResult = Object.freeze({ result: { outputs: [] }, offset: 0, count: 0 });
