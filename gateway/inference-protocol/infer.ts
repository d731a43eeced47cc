/**
 * POST /v2/models/M/infer, top to bottom: read the request → which version → its tensors to the batcher, or its entities
 * through the same steps as /predict → one answer. Both kinds wait in one batcher and share its runs.
 */

import { channel } from "node:diagnostics_channel";
import { HeadgateError } from "../../errors.ts";
import { askedVersion, findModel, stableVersion } from "../../models/alias.ts";
import type { BatchedResult } from "../../models/batcher.ts";
import type { ServedModel } from "../../models/lifecycle.ts";
import type { LoadedModel } from "../../models/loaded-model.ts";
import { RunFailedError } from "../../models/session.ts";
import type { OutputValue } from "../../models/tensor.ts";
import type { TensorRow } from "../../models/tensor-row.ts";
import type { CanaryWatch } from "../canary-watch.ts";
import { checkDeadline, type Deadline, deadlineOf, withinDeadline } from "../deadline.ts";
import type { RouteCall } from "../direct-route.ts";
import type { HttpAnswer } from "../http-answer.ts";
import { answerPart, type PartAnswer } from "../part-answer.ts";
import type { PredictOptions } from "../predict.ts";
import { partsOf } from "../request-part.ts";
import { decoded } from "./content-coding.ts";
import { type EntityRows, entityRows } from "./entity-rows.ts";
import { type Answered, inferAnswer, wantedOutputs } from "./infer-answer.ts";
import { type InferPlan, isOfTensors, type OutputPort } from "./infer-plan.ts";
import type { InferBody, ParseInfer } from "./infer-request.ts";
import { rawRows } from "./raw-rows.ts";

/** What infer needs. */
export interface InferOptions extends PredictOptions {
  readonly planOf: (joined: ReturnType<PredictOptions["join"]>) => InferPlan;
  readonly parse: ParseInfer;
  /** Whether a canary's outputs may stand beside the stable version's. */
  readonly agree: (stable: InferPlan, canary: InferPlan) => boolean;
  readonly maxBodyBytes: number;
}

/** Whom a request is for, and what of it is known. */
interface InferWork {
  readonly served: ServedModel;
  /** The version that a client has named; undefined: the stable one answers, and a canary has its share of entities. */
  readonly asked: string | undefined;
  readonly plan: InferPlan;
  readonly body: InferBody;
  readonly requestId: string;
  readonly deadline: Deadline;
  readonly startMs: number;
  readonly nowMs: number;
}

/** Answers, and how long the model took over them. */
interface Run {
  readonly answered: Answered;
  readonly inputMs: number;
  readonly queueMs: number;
  readonly runMs: number;
}

/** Published for every request that was answered. */
export interface InferEvent {
  readonly model: string;
  /** What its rows came as. */
  readonly inputs: "tensors" | "entities";
  readonly rows: number;
  readonly totalMs: number;
}

const infers = channel("headgate:infer");
/** Published for every refused request, as /predict's are: `{ thrown }`. */
const refusals = channel("headgate:prediction-refused");

/** Answers a request for `model`, or for the version of it. Rejects with what is wrong with it. */
export async function infer(
  call: RouteCall,
  model: string,
  version: string | undefined,
  requestId: string,
  options: InferOptions,
): Promise<HttpAnswer<string | Uint8Array>> {
  const { clock, join, models, planOf } = options;
  const startMs = clock();
  let plan: InferPlan | undefined;
  try {
    const waiting = deadlineOf(call.header("x-deadline-ms"), options.deadlineMs, startMs);
    const sent = bodyOf(call, waiting, startMs, options.maxBodyBytes);
    const bytes = sent instanceof Promise ? await sent : sent;
    const body = options.parse(bytes, call.header("inference-header-content-length"));
    const { request } = body;
    const deadline = request.timeoutMs === undefined ? waiting : sooner(waiting, request.timeoutMs, startMs);
    const served = findModel(models, model);
    const asked = version ?? call.header("x-headgate-version");
    const joined = join(asked === undefined ? stableVersion(served) : askedVersion(served, asked));
    plan = planOf(joined);
    const outputs = wantedOutputs(plan, request);
    const work = { served, asked, plan, body, requestId, deadline, startMs, nowMs: options.now() };
    const inputs = isOfTensors(plan, request.inputs) ? "tensors" : "entities";
    const run = await (inputs === "tensors" ? runTensors(work, options) : runEntities(work, options));
    const writeMs = clock();
    const answer = inferAnswer(run.answered, outputs, request.id, requestId);
    const { inputMs, queueMs, runMs } = run;
    const endMs = clock();
    plan.statistics.answered({ inputMs, queueMs, runMs, outputMs: endMs - writeMs });
    if (infers.hasSubscribers) {
      const event: InferEvent = { model: served.name, inputs, rows: run.answered.rows, totalMs: endMs - startMs };
      infers.publish(event);
    }
    return answer;
  } catch (thrown) {
    plan?.statistics.failed(clock() - startMs);
    if (refusals.hasSubscribers) refusals.publish({ thrown });
    throw thrown;
  }
}

/** The body as it was before it was compressed; nearly always it is here, and not compressed. */
function bodyOf(
  call: RouteCall,
  deadline: Deadline,
  nowMs: number,
  maxBytes: number,
): Uint8Array | Promise<Uint8Array> {
  const coming = call.bytes({ deadline, nowMs });
  const decode = (sent: Uint8Array) => decoded(sent, call.header("content-encoding"), maxBytes);
  return coming instanceof Promise ? coming.then(decode) : decode(coming);
}

/** A client's own timeout, where it is over before the gateway's. */
function sooner(deadline: Deadline, timeoutMs: number, startMs: number): Deadline {
  return timeoutMs < deadline.budgetMs ? { atMs: startMs + timeoutMs, budgetMs: timeoutMs } : deadline;
}

/**
 * Tensors are the stable version's unless one is named: a canary's share is a share of entities, and it may have other
 * inputs. They are counted in no comparison of versions, and no shadow sees them.
 */
async function runTensors({ body, deadline, plan, startMs }: InferWork, options: InferOptions): Promise<Run> {
  const { clock, maxEntities } = options;
  const { model } = plan.joined;
  const rows = rawRows(plan, body, maxEntities);
  const runMs = clock();
  model.enter();
  try {
    const { offset, result } = await predictTensors(model, rows, deadline, clock);
    const waitedMs = clock() - runMs;
    const ranMs = Math.min(result.runMs ?? waitedMs, waitedMs);
    const outputAt = ({ position }: OutputPort, row: number) => result.outputs[position]![offset + row]!;
    const { name, version } = model;
    const answered = { model: name, version, versions: undefined, rows: rows.length, outputAt };
    return { answered, inputMs: runMs - startMs, queueMs: waitedMs - ranMs, runMs: ranMs };
  } finally {
    model.leave();
  }
}

async function predictTensors(
  model: LoadedModel,
  rows: readonly TensorRow[],
  deadline: Deadline,
  clock: () => number,
): Promise<BatchedResult> {
  const nowMs = clock();
  checkDeadline(deadline, nowMs, "reading the request");
  try {
    const running = model.predict(rows, deadline.atMs - nowMs);
    const ran = await (model.placement === "inline" ? running : withinDeadline(running, deadline, nowMs, RUNNING));
    checkDeadline(deadline, clock(), RUNNING);
    return ran;
  } catch (thrown) {
    throw failedOver(thrown);
  }
}

const RUNNING = "running the model";

/**
 * The version has shown that it runs, and a run that fails is repeated for each request alone: where the runtime fails
 * then it fails over this request's own values, such as an index past a table's end.
 */
function failedOver(thrown: unknown): unknown {
  if (!(thrown instanceof RunFailedError)) return thrown;
  return new HeadgateError(
    "REQUEST_INVALID",
    `The model fails over the values of this request: ${thrown.message}`,
    thrown,
  );
}

async function runEntities(work: InferWork, options: InferOptions): Promise<Run> {
  const { asked, body, nowMs, plan, served } = work;
  const rowsGiven = entityRows(plan, body, options.maxEntities);
  const inputMs = options.clock() - work.startMs;
  const parts = await answerRows(rowsGiven, work, options);
  const rows: RowAnswer[] = [];
  for (const part of parts) placeRows(part, rows);
  if (served.shadows.length > 0 && asked === undefined) options.shadows(served, { parts, context: undefined, nowMs });
  const longest = (step: "featuresMs" | "modelMs") => parts.reduce((most, part) => Math.max(most, part[step]), 0);
  const versions = rows.map(({ part }) => part.version);
  const isMixed = versions.some((version) => version !== versions[0]);
  const answered: Answered = {
    model: served.name,
    version: isMixed ? plan.joined.model.version : versions[0]!,
    versions: isMixed ? versions : undefined,
    rows: rows.length,
    outputAt: (port, row) => outputAt(port, rows[row]!, options),
  };
  return { answered, inputMs: inputMs + longest("featuresMs"), queueMs: 0, runMs: longest("modelMs") };
}

/** A row of the request, and where its answer is. */
interface RowAnswer {
  readonly part: PartAnswer;
  /** In the part's outputs. */
  readonly at: number;
}

function answerRows({ contexts, entities }: EntityRows, work: InferWork, options: InferOptions): Promise<PartAnswer[]> {
  const { asked, requestId, served } = work;
  const { canaries, clock, join } = options;
  const parts = partsOf(served, entities, asked, requestId, { join, canaries: agreeing(work, options) });
  const request = { model: served.name, entities, single: false, context: undefined, explain: false };
  const { deadline, nowMs, startMs } = work;
  const partWork = { served, request, contexts, requestId, deadline, startMs, nowMs, clock, canaries };
  return Promise.all(parts.map((part) => answerPart(part, partWork)));
}

/** The canaries whose outputs fit into the stable version's tensors: of another's rows the stable version has all. */
function agreeing({ plan }: InferWork, { agree, canaries, planOf }: InferOptions): Pick<CanaryWatch, "sharing"> {
  return {
    sharing: (served) => {
      const canary = canaries.sharing(served);
      return canary !== undefined && agree(plan, planOf(canary.joined)) ? canary : undefined;
    },
  };
}

/** A tensor has no room for an entity's own error, so one that is rejected fails the request. Throws FEATURES_MISSING naming it. */
function placeRows(answer: PartAnswer, rows: RowAnswer[]): void {
  let at = answer.firstRow;
  for (const [i, { rejection }] of answer.fed.entries()) {
    const row = answer.part.positions?.[i] ?? i;
    if (rejection !== undefined) {
      const entity = JSON.stringify(answer.entities[i], (_, value) =>
        typeof value === "bigint" ? String(value) : value,
      );
      throw new HeadgateError("FEATURES_MISSING", `Row ${row} ${entity}: ${rejection}`);
    }
    rows[row] = { part: answer, at: at++ };
  }
}

/** A canary that has a part gives all that the stable version does, maybe under other names of its graph. */
function outputAt({ member }: OutputPort, { at, part }: RowAnswer, { planOf }: InferOptions): OutputValue {
  return part.outputs[planOf(part.joined).members.get(member)!.position]![at]!;
}
