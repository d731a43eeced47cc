/**
 * The HTTP that Feast's Python client speaks with `online_store: {type: remote}`, so that an application moves by changing
 * one address: every route of its feature server that the client calls, and /push, which people call by hand.
 */

import { excerpt } from "../../errors.ts";
import { isLoopback, offWithoutToken, requireAdminToken } from "../authorization.ts";
import { deadlineOf } from "../deadline.ts";
import type { AnswerCall, RouteCall } from "../direct-route.ts";
import { asHeadgateError } from "../error-response.ts";
import type { HttpAnswer } from "../http-answer.ts";
import { requestIdOf } from "../predict.ts";
import { parseBody } from "../predict-request.ts";
import { feastAnswer } from "./feast-answer.ts";
import { publishFeastCall } from "./feast-call.ts";
import { feastProblem } from "./feast-error.ts";
import { createFeastMaterialize, type FeastMaterializeOptions } from "./feast-materialize.ts";
import { createFeastWrite, type FeastWriteOptions } from "./feast-write.ts";
import { createOnlineFeatures, type OnlineFeaturesOptions, requireMediaType } from "./online-features.ts";

/** What the routes need. */
export interface FeastRoutesOptions extends OnlineFeaturesOptions, FeastWriteOptions, FeastMaterializeOptions {
  /** The address the gateway listens on. */
  readonly host: string;
}

/** The routes. None of them rejects. */
export interface FeastRoutes {
  readonly onlineFeatures: AnswerCall;
  readonly write: AnswerCall;
  readonly push: AnswerCall;
  readonly materialize: (call: RouteCall, isAsync: boolean) => Promise<HttpAnswer>;
  readonly materializeIncremental: (call: RouteCall, isAsync: boolean) => Promise<HttpAnswer>;
}

/** Makes them. */
export function createFeastRoutes(options: FeastRoutesOptions): FeastRoutes {
  const { clock, deadlineMs } = options;
  const { write, push } = createFeastWrite(options);
  const { materialize, incremental } = createFeastMaterialize(options);

  /** A call that changes something: who may make it, then its body, then the work. Its path may be written in many ways, `route` is one. */
  async function change(
    route: string,
    call: RouteCall,
    work: (body: unknown, requestId: string) => Promise<HttpAnswer>,
  ): Promise<HttpAnswer> {
    const requestId = requestIdOf(call.header("x-request-id"));
    const nowMs = clock();
    const over = (code: string) => publishFeastCall(route, code, clock() - nowMs);
    try {
      requireWriter(options, call, route);
      requireMediaType(call);
      const deadline = deadlineOf(call.header("x-deadline-ms"), deadlineMs, nowMs);
      const answer = await work(parseBody(await call.text({ deadline, nowMs })), requestId);
      over(answer.status < 400 ? "ok" : "MATERIALIZE_RUNNING");
      return answer;
    } catch (thrown) {
      const error = asHeadgateError(thrown, requestId);
      over(error.code);
      return feastProblem(error, requestId);
    }
  }
  return Object.freeze({
    onlineFeatures: createOnlineFeatures(options),
    write: (call: RouteCall) =>
      change("write-to-online-store", call, (body, id) => write(body).then(() => feastAnswer(200, "null", id))),
    push: (call: RouteCall) => change("push", call, (body, id) => push(body).then(() => feastAnswer(200, "", id))),
    materialize: (call: RouteCall, isAsync: boolean) =>
      change("materialize", call, (body, requestId) => materialize({ body, requestId, isAsync })),
    materializeIncremental: (call: RouteCall, isAsync: boolean) =>
      change("materialize-incremental", call, (body, requestId) => incremental({ body, requestId, isAsync })),
  });
}

/**
 * With an admin token the call needs it. Without one Feast's users expect to write, and may where only this machine can
 * call; a gateway that the network reaches takes no row from whoever asks. A call that names another host comes through
 * a proxy, or from a web page whose name was made to lead here. Throws UNAUTHENTICATED or FORBIDDEN.
 */
function requireWriter({ adminToken, host }: FeastRoutesOptions, call: RouteCall, route: string): void {
  if (adminToken !== "") {
    requireAdminToken(adminToken, call.header("authorization"), `POST /${route}`);
    return;
  }
  const called = call.header("host");
  const name = called?.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  const isOwn = isLoopback(host) && (name === undefined || isLoopback(name));
  if (isOwn) return;
  const why = isLoopback(host) ? `was called as ${excerpt(called!)}` : `listens on ${host}`;
  throw offWithoutToken(`POST /${route}`, why);
}
