/**
 * POST /predict, top to bottom: check the request → which version answers whom → each answers (part-answer.ts: features →
 * what is missing → run) → one answer → shadows. Requests that arrive in one turn of the event loop share one model run; each is answered as soon as
 * it is over. No step touches a source system.
 */

import { randomUUID } from "node:crypto";
import { channel } from "node:diagnostics_channel";
import { findModel } from "../models/alias.ts";
import type { Models } from "../models/lifecycle.ts";
import type { LoadedModel } from "../models/loaded-model.ts";
import { requireAdmin } from "./authorization.ts";
import type { CanaryWatch } from "./canary-watch.ts";
import { deadlineOf } from "./deadline.ts";
import { problemAnswer } from "./error-response.ts";
import type { HttpAnswer } from "./http-answer.ts";
import type { JoinedModel } from "./joined-model.ts";
import { answerPart, type PartAnswer, type PartWork } from "./part-answer.ts";
import { answerOf, type EntityTexts } from "./predict-answer.ts";
import { checkPredictRequest, type PredictRequest, parseBody, withPlace } from "./predict-request.ts";
import type { BodyWait, HeaderLookup } from "./request-body.ts";
import { partsOf } from "./request-part.ts";
import type { FollowShadows } from "./shadow.ts";

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
  const { clock, now } = options;
  return async (call) => {
    const requestId = requestIdOf(call.header("x-request-id"));
    let request: PredictRequest | undefined;
    try {
      const startMs = clock();
      const nowMs = now();
      const deadline = deadlineOf(call.header("x-deadline-ms"), options.deadlineMs, startMs);
      const coming = call.text({ deadline, nowMs: startMs });
      const text = typeof coming === "string" ? coming : await coming;
      request = checkPredictRequest(parseBody(text), options.maxEntities);
      const { parts, work } = accept(call, request, { requestId, deadline, startMs, nowMs }, options);
      const answered =
        parts.length === 1
          ? [await answerPart(parts[0]!, work)]
          : await Promise.all(parts.map((part) => answerPart(part, work)));
      return answer(answered, work, options);
    } catch (thrown) {
      if (refusals.hasSubscribers) refusals.publish({ thrown });
      return problemAnswer(withPlace(thrown, request), requestId);
    }
  };
}

/** The caller's request id if it is a plain short text, else a new one. */
export function requestIdOf(header: string | undefined): string {
  return header !== undefined && /^[\x21-\x7e]{1,128}$/.test(header) ? header : randomUUID();
}

/** What is known of a request before it is read. */
type Arrival = Pick<PartWork, "requestId" | "deadline" | "startMs" | "nowMs">;

/** Checks who asks, and says which version answers whom. */
function accept(call: PredictCall, request: PredictRequest, arrival: Arrival, options: PredictOptions) {
  const { requestId, deadline, startMs, nowMs } = arrival;
  const { adminToken, canaries, clock, models } = options;
  if (request.explain) requireAdmin(adminToken, call.header("authorization"), `"explain" shows people's data`);
  const served = findModel(models, request.model);
  const asked = call.header("x-headgate-version");
  const parts = partsOf(served, request.entities, asked, requestId, options);
  const work: PartWork = { served, request, requestId, deadline, startMs, nowMs, clock, canaries };
  return { parts, work };
}

/** Writes the answer, and has the shadows follow it. */
function answer(answered: readonly PartAnswer[], work: PartWork, { clock, shadows }: PredictOptions): HttpAnswer {
  const { nowMs, request, requestId, served, startMs } = work;
  const [first] = answered;
  const text =
    answered.length === 1 && first!.part.positions === undefined
      ? first!.joined.answer.whole(requestId, first!)
      : answerOf(requestId, served.name, inRequestOrder(answered, request.entities.length));
  if (served.shadows.length > 0 && !first!.part.isAsked)
    shadows(served, { parts: answered, context: request.context, nowMs });
  const timing = `features;dur=${millis(longest(answered, "featuresMs"))}, model;dur=${millis(longest(answered, "modelMs"))}, total;dur=${millis(clock() - startMs)}`;
  const headers = ["content-type", "application/json", "x-request-id", requestId, "server-timing", timing];
  return { status: 200, headers, body: text };
}

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

/** Milliseconds to the microsecond; toFixed costs three times as much. */
function millis(durationMs: number): number {
  return Math.round(durationMs * 1_000) / 1_000;
}
