/**
 * The admin calls that change models: POST /models/{name}/versions, DELETE of one or all, PUT /models/{name}/traffic. Each is a
 * conditional write of the repository, so that of two at once, on whatever gateways, one wins and the other is told; and
 * each is followed by a refresh, so that this gateway has it at once. The others notice by themselves.
 */

import type { Context } from "hono";
import { excerpt, HeadgateError, hasCode } from "../errors.ts";
import type { JsonValue } from "../features/json-value.ts";
import { findModel } from "../models/alias.ts";
import { type Deployed, type DeployTools, deploy, takeNumber } from "../models/deploy.ts";
import type { DeployStep } from "../models/deploy-step.ts";
import {
  changeTraffic,
  readTrafficState,
  replaceTraffic,
  retire,
  retireModel,
  type TrafficTools,
} from "../models/deploy-traffic.ts";
import type { Models } from "../models/lifecycle.ts";
import { checkModelName } from "../models/repository.ts";
import { checkTraffic, trafficJson } from "../models/traffic.ts";
import { requireAdminToken } from "./authorization.ts";
import { problemAnswer } from "./error-response.ts";
import { jsonResponse, toResponse } from "./http-answer.ts";
import { describeVersion, modelEtag, requireMatch, servedEtag } from "./model-control.ts";
import { receiveModel } from "./model-upload.ts";
import { requestIdOf } from "./predict.ts";
import { parseBody } from "./predict-request.ts";
import { receiveByRoute } from "./receive-timeout.ts";
import { readJsonText } from "./request-body.ts";

/** What the admin calls need. */
export interface ModelDeployOptions {
  readonly tools: DeployTools & TrafficTools;
  readonly models: Models;
  readonly adminToken: string;
  /** Of an upload. */
  readonly maxModelBytes: number;
  /** Of any other body. */
  readonly maxBodyBytes: number;
}

/** The handlers. What they throw is for the app to tell. */
export interface ModelDeploys {
  readonly postVersion: (c: Context) => Promise<Response>;
  readonly getVersion: (c: Context) => Response;
  readonly deleteVersion: (c: Context) => Promise<Response>;
  readonly deleteModel: (c: Context) => Promise<Response>;
  readonly putTraffic: (c: Context) => Promise<Response>;
}

/**
 * Deploys at a time, and loads that a change of traffic asks for with them; each holds its model in memory, once as it came
 * and once in the runtime.
 */
const DEPLOYS_AT_ONCE = 2;

/** Makes the handlers. */
export function createModelDeploys(options: ModelDeployOptions): ModelDeploys {
  const { adminToken, maxBodyBytes, models, tools } = options;
  const { repository } = tools;
  const admitted = (c: Context, route: string, query?: readonly string[]) => {
    requireAdminToken(adminToken, c.req.header("authorization"), route);
    refuseQuery(c, query);
    return nameOf(c);
  };
  const counted = boundedDeploys();
  const trafficTools: TrafficTools = { ...tools, load: (version) => counted(() => tools.load(version)) };
  return Object.freeze({
    postVersion: async (c: Context) => {
      const name = admitted(c, "POST /models/{name}/versions", ["dry_run"]);
      return counted(() => postVersion(c, name, options));
    },

    getVersion: (c: Context) => {
      const served = findModel(models, nameOf(c));
      return jsonResponse(describeVersion(served, versionOf(c)), 200, ["etag", servedEtag(served)]);
    },

    deleteVersion: async (c: Context) => {
      const name = admitted(c, "DELETE /models/{name}/versions/{version}");
      const version = versionOf(c);
      await requireCurrent(c, name, options);
      await retire(tools, name, version);
      await refresh(models, name);
      return new Response(null, { status: 204 });
    },

    deleteModel: async (c: Context) => {
      const name = admitted(c, "DELETE /models/{name}");
      await requireCurrent(c, name, options);
      await retireModel(tools, name);
      await refresh(models, name);
      return new Response(null, { status: 204 });
    },

    putTraffic: async (c: Context) => {
      const name = admitted(c, "PUT /models/{name}/traffic");
      const body = parseBody(await readJsonText(c.req, maxBodyBytes));
      const wanted = replaceTraffic(checkTraffic(body, "the request body"));
      const { etag, traffic } = await changeTraffic(trafficTools, name, {
        ...wanted,
        next: (now) => {
          // Here, so that it is the very state which the write is conditional on.
          requireMatch(c.req.header("if-match"), name, modelEtag(now.versions, now.etag));
          return wanted.next(now);
        },
      });
      await refresh(models, name, "answering");
      const versions = await repository.versions(name);
      const told = { model: name, traffic: trafficJson(traffic) as unknown as JsonValue };
      return jsonResponse(told, 200, ["etag", modelEtag(versions, etag)]);
    },
  });
}

/** Runs so many at a time; one more is refused with OVERLOADED. */
function boundedDeploys(): <T>(work: () => Promise<T>) => Promise<T> {
  let underWay = 0;
  return async (work) => {
    if (underWay >= DEPLOYS_AT_ONCE) {
      throw new HeadgateError(
        "OVERLOADED",
        `This gateway is at ${DEPLOYS_AT_ONCE} deploys already; send this one again when one of them is over.`,
      );
    }
    underWay++;
    try {
      return await work();
    } finally {
      underWay--;
    }
  };
}

async function postVersion(c: Context, name: string, options: ModelDeployOptions): Promise<Response> {
  const { maxModelBytes, models, tools } = options;
  const dryRun = flagOf(c, "dry_run");
  const sha256 = sha256Of(c.req.header("x-sha256"));
  const version = await takeNumber(tools.repository, name);
  await requireCurrent(c, name, options);
  // Bounded by its size and by how long its client may be silent.
  receiveByRoute((c.env as { incoming?: unknown } | undefined)?.incoming);
  const upload = await receiveModel(c.req, { maxModelBytes });
  const steps: DeployStep[] = [];
  let deployed: Deployed;
  try {
    const onStep = (step: DeployStep) => void steps.push(step);
    deployed = await deploy(tools, { ...upload, model: name, version, sha256, dryRun, onStep });
  } catch (thrown) {
    return refusal(thrown, c, steps);
  }
  if (deployed.stored) await refresh(models, name);
  const served = models.get(name);
  const status = served?.versions.find((one) => one.version === deployed.version);
  const body: JsonValue = {
    model: name,
    version: deployed.version,
    stored: deployed.stored,
    sha256: deployed.sha256,
    state: status?.state ?? null,
    reason: status?.reason ?? null,
    traffic: served?.traffic === undefined ? null : (trafficJson(served.traffic) as unknown as JsonValue),
    steps: steps.map(describeStep),
  };
  const headers = served === undefined ? [] : ["etag", servedEtag(served)];
  if (!deployed.stored) return jsonResponse(body, 200, headers);
  return jsonResponse(body, 201, [...headers, "location", `/models/${name}/versions/${deployed.version}`]);
}

/** A step as JSON. */
export function describeStep({ step, ok, detail, durationMs }: DeployStep): JsonValue {
  return { step, ok, detail, milliseconds: Math.round(durationMs * 1_000) / 1_000 };
}

/** The problem, and how far the deploy came. */
function refusal(thrown: unknown, c: Context, steps: readonly DeployStep[]): Response {
  const answer = problemAnswer(thrown, requestIdOf(c.req.header("x-request-id")));
  const problem = { ...(JSON.parse(answer.body) as object), steps: steps.map(describeStep) };
  return toResponse({ ...answer, body: JSON.stringify(problem) });
}

/** Checks If-Match against the repository, not against what this gateway has noticed. */
async function requireCurrent(c: Context, name: string, { tools }: ModelDeployOptions): Promise<void> {
  const header = c.req.header("if-match");
  if (header === undefined) return;
  try {
    // Whoever mends a traffic file that can't be understood goes by its ETag, too.
    const { etag, versions } = await readTrafficState(tools.repository, name, () => undefined);
    requireMatch(header, name, modelEtag(versions, etag));
  } catch (thrown) {
    if (!hasCode(thrown, "MODEL_NOT_FOUND")) throw thrown;
    throw new HeadgateError("PRECONDITION_FAILED", `There is no model "${name}" to match ${excerpt(header)}.`, thrown);
  }
}

/** What is stored is stored: a repository that is away by now is read again by this gateway's own poll. */
async function refresh(models: Models, name: string, until?: "answering"): Promise<void> {
  await models.refresh(name, until).catch(() => {});
}

function nameOf(c: Context): string {
  const name = c.req.param("name")!;
  checkModelName(name);
  return name;
}

function versionOf(c: Context): number {
  const version = c.req.param("version")!;
  if (/^[1-9]\d{0,8}$/.test(version)) return Number(version);
  throw new HeadgateError(
    "VERSION_NOT_FOUND",
    `"${excerpt(version)}" is no version; versions are whole numbers from 1.`,
  );
}

function flagOf(c: Context, name: string): boolean {
  const value = c.req.query(name);
  if (value === undefined || value === "false") return false;
  if (value === "true") return true;
  throw new HeadgateError("REQUEST_INVALID", `${name} is "${excerpt(value)}"; it is true or false.`);
}

/** An option that is ignored would be taken for one that was heeded. */
function refuseQuery(c: Context, known: readonly string[] = []): void {
  const unknown = Object.keys(c.req.query()).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const there = known.length === 0 ? "there is none" : `there is ${known.join(", ")}`;
  const next = unknown === "promote" ? "; to promote, PUT the traffic" : "";
  throw new HeadgateError("REQUEST_INVALID", `"${excerpt(unknown)}" is no option of this call, ${there}${next}.`);
}

function sha256Of(header: string | undefined): string | undefined {
  if (header === undefined || /^[0-9a-f]{64}$/i.test(header)) return header;
  throw new HeadgateError("REQUEST_INVALID", `x-sha256 is "${excerpt(header)}"; it is 64 hexadecimal digits.`);
}
