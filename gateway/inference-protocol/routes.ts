/**
 * The Open Inference Protocol v2 over HTTP (kserve/open-inference-protocol, inference_rest.md, with Triton's extensions):
 * all of its routes on one screen, below /v2, in the protocol's own form of error. Triton's and KServe's clients declare
 * no type of body, so none is asked for.
 */

import { excerpt, HeadgateError, reasonOf } from "../../errors.ts";
import { isObject, type JsonValue } from "../../features/json-value.ts";
import { askedVersion, findModel, stableVersion } from "../../models/alias.ts";
import { requireAdmin } from "../authorization.ts";
import { deadlineOf } from "../deadline.ts";
import type { AnswerCall, RouteCall } from "../direct-route.ts";
import { type HttpAnswer, jsonAnswer } from "../http-answer.ts";
import { type PredictOptions, requestIdOf } from "../predict.ts";
import { parseBody } from "../predict-request.ts";
import { jsonTextOf } from "../request-body.ts";
import { decoded, encoded } from "./content-coding.ts";
import { refused } from "./datatype.ts";
import { type InferOptions, infer } from "./infer.ts";
import { createInferPlans, type InferPlan } from "./infer-plan.ts";
import { inferProblem } from "./infer-problem.ts";
import { createInferParser } from "./infer-request.ts";
import { modelConfig, modelMetadata } from "./model-metadata.ts";
import { modelStatistics } from "./model-statistics.ts";
import { createOutputAgreement } from "./output-agreement.ts";
import { loadModelNow, repositoryIndex, unloadModel } from "./repository-control.ts";

/** What the protocol's routes need. */
export interface InferenceProtocolOptions extends PredictOptions {
  readonly maxBodyBytes: number;
  /** The package's. */
  readonly version: string;
  /** Whether the gateway should be sent requests. */
  readonly isReady: () => Promise<boolean>;
}

/** Triton's names of what is here beyond the protocol itself. */
const EXTENSIONS = ["model_repository", "model_configuration", "binary_tensor_data", "statistics"];

/** The model and version that a path names. */
interface Target {
  readonly model: string;
  readonly version: string | undefined;
}

/** A request below /v2, whichever route it is for. */
interface ProtocolCall {
  readonly call: RouteCall;
  readonly requestId: string;
  readonly options: InferenceProtocolOptions & InferOptions;
}

type Answer = HttpAnswer<string | Uint8Array>;
type Handler = (asked: ProtocolCall, target: Target) => Answer | Promise<Answer>;

/** By method and what is left of the path when the model and the version are out of it. */
const ROUTES: Readonly<Record<string, Handler>> = {
  "GET v2": ({ options: { version } }) => jsonAnswer({ name: "headgate", version, extensions: EXTENSIONS }),
  "GET v2/health/live": () => jsonAnswer({ live: true }),
  "GET v2/health/ready": async ({ options }) => {
    const ready = await options.isReady();
    return ready ? jsonAnswer({ ready }) : jsonAnswer({ ready, error: "GET /readyz says why it is not ready." }, 503);
  },

  "GET v2/models": ({ options }) => jsonAnswer({ models: options.models.list().map(({ name }) => name) }),
  "GET v2/models/stats": (asked) =>
    jsonAnswer({ model_stats: allPlans(asked).flatMap((plan) => statisticsOf(asked, plan)) }),
  "GET v2/models/M": (asked, target) =>
    jsonAnswer(modelMetadata(findModel(asked.options.models, target.model), planFor(asked, target))),
  "GET v2/models/M/ready": (asked, target) => {
    const { state } = planFor(asked, target).joined.model;
    return state === "READY"
      ? jsonAnswer({ name: target.model, ready: true })
      : jsonAnswer({ name: target.model, ready: false, error: `It is ${state}.` }, 503);
  },
  "GET v2/models/M/config": (asked, target) =>
    jsonAnswer(
      modelConfig(findModel(asked.options.models, target.model), planFor(asked, target), asked.options.maxEntities),
    ),
  "GET v2/models/M/stats": (asked, target) => {
    const plans = target.version === undefined ? plansOf(asked, target.model) : [planFor(asked, target)];
    return jsonAnswer({ model_stats: plans.flatMap((plan) => statisticsOf(asked, plan)) });
  },
  "POST v2/models/M/infer": async ({ call, options, requestId }, { model, version }) => {
    const answer = await infer(call, model, version, requestId, options);
    return encoded(answer, call.header("accept-encoding"));
  },

  "POST v2/repository/index": async (asked) =>
    jsonAnswer(repositoryIndex(asked.options.models, await jsonBodyOf(asked))),
  "POST v2/repository/models/M/load": async (asked, { model }) => {
    requireAdminOf(asked, "Loading a model");
    return jsonAnswer(await loadModelNow(asked.options.models, model, await jsonBodyOf(asked)));
  },
  "POST v2/repository/models/M/unload": (asked, { model }) => {
    requireAdminOf(asked, "Unloading a model");
    return unloadModel(asked.options.models, model);
  },
};

/** The protocol's routes as one: every request for /v2 and below is its own. */
export function createInferenceProtocol(given: InferenceProtocolOptions): AnswerCall {
  const options = { ...given, planOf: createInferPlans(), parse: createInferParser(), agree: createOutputAgreement() };
  const targetOf = rememberTarget();
  return async (call) => {
    const requestId = requestIdOf(call.header("x-request-id"));
    try {
      const target = targetOf(call.path);
      const { path } = target;
      const handler = ROUTES[`${call.method === "HEAD" ? "GET" : call.method} ${path}`];
      if (handler === undefined) return noRoute(call, path, requestId);
      return withRequestId(await handler({ call, requestId, options }, target), requestId);
    } catch (thrown) {
      return inferProblem(thrown, requestId);
    }
  };
}

/** What is told of a model has no request's id of its own. */
function withRequestId(answer: Answer, requestId: string): Answer {
  if (answer.headers.includes("x-request-id")) return answer;
  return { ...answer, headers: [...answer.headers, "x-request-id", requestId] };
}

/** Clients ask the same path again and again. */
function rememberTarget(): typeof targetOf {
  let lastPath = "";
  let last: ReturnType<typeof targetOf> | undefined;
  return (path) => {
    if (last === undefined || path !== lastPath) {
      last = targetOf(path);
      lastPath = path;
    }
    return last;
  };
}

/** The path without its model and version. Throws REQUEST_INVALID for one that is wrongly encoded. */
function targetOf(path: string): Target & { readonly path: string } {
  const [, ...parts] = path.split("/");
  if (parts.at(-1) === "") parts.pop();
  const at = parts[1] === "models" ? 2 : parts[1] === "repository" && parts[2] === "models" ? 3 : -1;
  const isModel = at > 0 && parts.length > at && !(at === 2 && parts.length === 3 && parts[2] === "stats");
  if (!isModel) return { path: parts.join("/"), model: "", version: undefined };
  const model = decodedPart(parts[at]!);
  const hasVersion = at === 2 && parts[3] === "versions" && parts.length > 4;
  const version = hasVersion ? decodedPart(parts[4]!) : undefined;
  parts.splice(at, hasVersion ? 3 : 1, "M");
  return { path: parts.join("/"), model, version };
}

function decodedPart(part: string): string {
  if (!part.includes("%")) return part;
  try {
    return decodeURIComponent(part);
  } catch (thrown) {
    throw refused(`The path's "${excerpt(part)}" is not percent-encoded rightly: ${reasonOf(thrown)}.`);
  }
}

function noRoute({ method, path: given }: RouteCall, path: string, requestId: string): HttpAnswer {
  const methods = Object.keys(ROUTES).filter((route) => route.endsWith(` ${path}`));
  if (methods.length === 0) {
    const sentence = `There is no ${excerpt(given)}; docs/from-triton.md lists what there is.`;
    return inferProblem(new HeadgateError("ROUTE_NOT_FOUND", sentence), requestId);
  }
  const allowed = methods.map((route) => route.split(" ")[0]).join(", ");
  const sentence = `${excerpt(given)} takes ${allowed}, not ${excerpt(method)}.`;
  const { headers, ...answer } = inferProblem(new HeadgateError("METHOD_NOT_ALLOWED", sentence), requestId);
  return { ...answer, headers: [...headers, "allow", allowed] };
}

function planFor({ options }: ProtocolCall, { model, version }: Target): InferPlan {
  const served = findModel(options.models, model);
  return options.planOf(options.join(version === undefined ? stableVersion(served) : askedVersion(served, version)));
}

/** Of all ready versions of a model. */
function plansOf({ options }: ProtocolCall, model: string): readonly InferPlan[] {
  return [...findModel(options.models, model).ready.values()].map((version) => options.planOf(options.join(version)));
}

const allPlans = (asked: ProtocolCall): readonly InferPlan[] =>
  asked.options.models.list().flatMap(({ name }) => plansOf(asked, name));

const statisticsOf = ({ options: { clock, now } }: ProtocolCall, plan: InferPlan): JsonValue =>
  modelStatistics(plan, clock(), now());

function requireAdminOf({ call, options }: ProtocolCall, what: string): void {
  requireAdmin(options.adminToken, call.header("authorization"), `${what} is for who has the admin token`);
}

/** A body that may be empty. Throws or rejects as a request's body does, and with REQUEST_INVALID for what is no object. */
async function jsonBodyOf({ call, options }: ProtocolCall): Promise<Readonly<Record<string, unknown>>> {
  const startMs = options.clock();
  const deadline = deadlineOf(call.header("x-deadline-ms"), options.deadlineMs, startMs);
  const sent = await call.bytes({ deadline, nowMs: startMs });
  const body = await decoded(sent, call.header("content-encoding"), options.maxBodyBytes);
  const text = jsonTextOf(Buffer.from(body.buffer, body.byteOffset, body.byteLength), options.maxBodyBytes);
  if (text.trim() === "") return {};
  const parsed = parseBody(text);
  if (isObject(parsed)) return parsed;
  throw refused("The request must be a JSON object, or nothing.");
}
