/**
 * Whether a request is worth beginning. Under overload one that is begun and answered too late has cost what another
 * could have used; so a prediction, through /predict or infer, is refused, with 503 and Retry-After, before its body is
 * read, when what is ahead of it takes too much of its deadline: how long it may have waited for the event loop, and the
 * shortest queue of any model. A reading of features waits for no model, but for the event loop as well.
 * What only one model's queue makes late is that model's to refuse (models/batcher.ts), once it is known whose it is.
 *
 * The refusal is made in advance but for the request's id, in the form of its route, so that it costs next to nothing.
 */

import { channel } from "node:diagnostics_channel";
import { HeadgateError } from "../errors.ts";
import type { Models } from "../models/lifecycle.ts";
import type { HttpAnswer } from "./http-answer.ts";
import type { LoopLag } from "./loop-lag.ts";
import { requestIdOf } from "./predict.ts";
import type { HeaderLookup } from "./request-body.ts";

/** How a route's requests are admitted. */
export interface AdmissionOptions {
  /** How long one that is read now is expected to take at least, ms. */
  readonly expectedMs: (nowMs: number) => number;
  /** The route's form of error. */
  readonly problem: (thrown: HeadgateError, requestId: string) => HttpAnswer;
  /** Told of what is refused. */
  readonly publish: (thrown: HeadgateError) => void;
  /** Budget of a request that sends none, ms. */
  readonly deadlineMs: number;
  /** Monotonic ms. */
  readonly clock: () => number;
}

/**
 * Of a request's time, what may be ahead of it here. The batcher takes more (four fifths of what is left when the request
 * has been read): at one bound for both, every fourth refusal is made there, at several times the cost.
 */
const DOOR_SHARE = 0.75;
/** Stands for the request's id in the answer that is made in advance. */
const ID = "{request-id}";

const refusals = channel("headgate:prediction-refused");

/** Publishes a prediction that is refused, as those that are refused later are. */
export function publishRefusal(thrown: HeadgateError): void {
  if (refusals.hasSubscribers) refusals.publish({ thrown });
}

/** How long a prediction is expected to take at least, whichever model it is for. */
export function expectedOfModels(
  models: Pick<Models, "list">,
  lag: Pick<LoopLag, "waitedMs">,
): AdmissionOptions["expectedMs"] {
  // Asked anew each time: what was let in a moment ago is ahead of the next.
  return (nowMs) => lag.waitedMs(nowMs) + shortestQueue(models);
}

/** What answers a call. */
type Answering<Call, Body extends string | Uint8Array> = (call: Call) => Promise<HttpAnswer<Body>>;

/** Makes a route refuse at once what is expected to come too late. */
export function admitting<Call extends HeaderLookup, Body extends string | Uint8Array>(
  answer: Answering<Call, Body>,
  { clock, deadlineMs, expectedMs, problem, publish }: AdmissionOptions,
): Answering<Call, Body | string> {
  const refuse = compileRefusal(problem, publish);
  return (call) => {
    const aheadMs = expectedMs(clock());
    if (aheadMs === 0) return answer(call);
    const header = call.header("x-deadline-ms");
    const budgetMs = header === undefined ? deadlineMs : Number(header);
    // One that is no number, or of no time, is not refused here: it is told what is wrong with it.
    const isLate = budgetMs > 0 && aheadMs > budgetMs * DOOR_SHARE;
    return isLate ? refuse(requestIdOf(call.header("x-request-id"))) : answer(call);
  };
}

/** The refusal, which is made but for the request's id. */
function compileRefusal(
  problem: AdmissionOptions["problem"],
  publish: AdmissionOptions["publish"],
): (requestId: string) => Promise<HttpAnswer> {
  const thrown = new HeadgateError(
    "OVERLOADED",
    "This gateway is expected to answer later than the request's deadline; send it again in a moment, or with more time.",
  );
  const { body, headers, status } = problem(thrown, ID);
  const parts = body.split(ID);
  return async (id) => {
    publish(thrown);
    // How often such an id is escaped is the form's to know.
    if (/["\\]/.test(id)) return problem(thrown, id);
    return { status, headers: headers.map((text) => (text === ID ? id : text)), body: parts.join(id) };
  };
}

/** How long the model with the shortest queue is expected to take, ms; 0 where one is idle, or none is served. */
function shortestQueue(models: Pick<Models, "list">): number {
  let leastMs = Number.POSITIVE_INFINITY;
  for (const { stable } of models.list()) {
    if (stable === undefined) continue;
    leastMs = Math.min(leastMs, stable.expectedMs);
    if (leastMs === 0) break;
  }
  return Number.isFinite(leastMs) ? leastMs : 0;
}
