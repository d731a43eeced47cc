/**
 * The gateway's parts put together: what every route needs, made once, so that a request finds all of it compiled. It
 * opens nothing and listens to nothing; that is main.ts's.
 */

import type { RequestListener } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { HeadgateError } from "../errors.ts";
import type { AppliedRegistry } from "../features/applied-registry.ts";
import type { AppliedRegistryWatch } from "../features/applied-registry-watch.ts";
import type { MaterializedViews } from "../features/materialized-view.ts";
import type { ParityVerdicts } from "../features/parity-verdict.ts";
import type { Registry } from "../features/registry.ts";
import type { OnlineStoreLayout } from "../features/store/key-refusal.ts";
import type { ServingStore } from "../features/store/serving-store.ts";
import type { StoredSchemas } from "../features/stored-schema.ts";
import { inspectElsewhere } from "../models/deploy-graph.ts";
import type { Models } from "../models/lifecycle.ts";
import { loadModel } from "../models/loaded-model.ts";
import type { ModelRepository } from "../models/repository.ts";
import { type AdmissionOptions, admitting, expectedOfModels, publishRefusal } from "./admission.ts";
import { createApp } from "./app.ts";
import { CanaryWatch } from "./canary-watch.ts";
import { createDeployTools } from "./deploy-tools.ts";
import { type AnswerCall, answerAtOnce } from "./direct-route.ts";
import { openDocsAssets } from "./docs-page.ts";
import { problemAnswer } from "./error-response.ts";
import { publishFeastCall } from "./feast-http/feast-call.ts";
import { feastProblem } from "./feast-http/feast-error.ts";
import { commandRunner } from "./feast-http/feast-materialize.ts";
import { createFeastRoutes } from "./feast-http/feast-routes.ts";
import { parsePushSources } from "./feast-http/push-sources.ts";
import { checkReadiness } from "./health.ts";
import { createHeldRowWrite } from "./held-row-write.ts";
import { inferProblem } from "./inference-protocol/infer-problem.ts";
import { createInferenceProtocol } from "./inference-protocol/routes.ts";
import { createModelJoin } from "./joined-model.ts";
import type { LoopLag } from "./loop-lag.ts";
import {
  type ComparedVersion,
  type ComparisonOptions,
  compareHere,
  compareVersions,
  type WorkerComparison,
} from "./model-comparison.ts";
import { createModelDeploys } from "./model-deploy.ts";
import { createPredict, type Predict } from "./predict.ts";
import { receiveWithin } from "./receive-timeout.ts";
import { createShadows } from "./shadow.ts";

/** What the routes need of the settings; see settings/. */
export interface AssemblySettings {
  readonly host: string;
  readonly adminToken: string;
  /** Of a prediction, ms. */
  readonly deadline: number;
  readonly maxBodyBytes: number;
  readonly maxModelBytes: number;
  readonly maxEntities: number;
  readonly maxFuture: number;
  readonly expiryGrace: number;
  readonly onlineStoreLayout: OnlineStoreLayout;
  readonly readyParity: number;
  readonly feastStatuses: "exact" | "present";
  readonly feastReads: "token" | "open";
  readonly feastPushSources: string;
}

/** What was opened. */
export interface AssemblyParts {
  readonly settings: AssemblySettings;
  readonly registry: Registry;
  readonly applied: AppliedRegistry | undefined;
  readonly registryWatch: AppliedRegistryWatch;
  /** The one of this process. */
  readonly schemas: StoredSchemas;
  readonly serving: ServingStore;
  readonly repository: ModelRepository;
  readonly models: Models;
  readonly materialized: () => Promise<MaterializedViews>;
  readonly parity: () => Promise<ParityVerdicts>;
  readonly metricsText: () => Promise<string>;
  /** What the gateway's other workers know of a model's versions; undefined where this process is alone. */
  readonly comparedElsewhere: ComparisonOptions["comparedElsewhere"];
  /** How far this process' event loop is behind. */
  readonly lag: Pick<LoopLag, "waitedMs">;
  readonly isDraining: () => boolean;
  /** The command line of this project, which loads are started with: a program and its first words. */
  readonly command: readonly string[];
  /** The package's. */
  readonly version: string;
  /** Epoch ms. */
  readonly now: () => number;
  /** Monotonic ms. */
  readonly clock: () => number;
}

/** The gateway put together. */
export interface Assembly {
  readonly listener: RequestListener;
  /** Every model's loaded versions beside each other, for the metrics. */
  readonly compared: () => readonly { readonly model: string; readonly versions: readonly ComparedVersion[] }[];
  /** What this process knows of a model's versions, for the gateway's other workers. */
  readonly comparedHere: (model: string) => WorkerComparison | undefined;
  /** Gives up the deploys that are under way. */
  close(): void;
}

/** How long a client may take to send a body, ms, uploads of models apart; the deadline ends a prediction long before. */
const BODY_TIMEOUT_MS = 60_000;

/** Puts the parts together. */
export function assemble(parts: AssemblyParts): Assembly {
  const { applied, clock, models, now, registry, repository, schemas, serving, settings } = parts;
  const { store, memory } = serving;
  const { adminToken, deadline: deadlineMs, maxBodyBytes, maxEntities, maxModelBytes } = settings;
  const { maxFuture: maxFutureMs, expiryGrace: expiryGraceMs, readyParity: readyParityMs } = settings;
  const join = createModelJoin(store, schemas, registry, memory);
  // Plans are compiled here, so that no first request pays for it.
  for (const { ready } of models.list()) for (const model of ready.values()) join(model);

  const wait = (ms: number) => new Promise<void>((waited) => setTimeout(waited, ms).unref());
  const canaries = new CanaryWatch({ repository, models, join, wait });
  const shadows = createShadows({ join, clock });
  const { comparedElsewhere, isDraining, parity, registryWatch, version } = parts;
  const health = {
    ...{ store, memory, models, registry, applied, isDraining, parity, now },
    registryWatch,
    readyParityMs,
  };
  const answering = { models, join, canaries, shadows, adminToken, maxEntities, deadlineMs, now, clock };
  const isReady = async () => (await checkReadiness(health)).ready;
  const { onlineStoreLayout } = settings;
  const writing = { store, registry, applied, maxEntities, maxFutureMs, expiryGraceMs, now, onlineStoreLayout };
  const writeRows = createHeldRowWrite(writing, registryWatch);
  const ending = new AbortController();
  const feastRoutes = createFeastRoutes({
    ...{ store, schemas, registry, writeRows, adminToken, maxEntities, deadlineMs, now, clock },
    host: settings.host,
    presentOnly: settings.feastStatuses === "present",
    readsOpen: settings.feastReads === "open",
    viewsOfPushSource: parsePushSources(settings.feastPushSources, registry),
    run: commandRunner(parts.command, ending.signal),
  });
  const { predict, inference, onlineFeatures } = admitted(parts, {
    predict: createPredict(answering),
    inference: createInferenceProtocol({ ...answering, maxBodyBytes, version, isReady }),
    onlineFeatures: feastRoutes.onlineFeatures,
  });
  const feast = { ...feastRoutes, onlineFeatures };
  const tools = createDeployTools({
    signal: ending.signal,
    ...{ repository, registry, store, schemas, fenced: memory, now, clock },
    inspect: inspectElsewhere,
    // Aside of what serves, in a worker process: a candidate may be slow, and it may be broken.
    load: (version) => loadModel({ ...version, aside: true, isCandidate: true }),
    servingVersion: async (model) => models.get(model)?.stable?.version,
    isReady: (model, version) => models.get(model)?.ready.has(version) === true,
  });
  const app = createApp({
    ...{ ...health, schemas, join, canaries, predict, inference, writeRows, feast, adminToken, maxBodyBytes, version },
    deploys: createModelDeploys({ tools, models, adminToken, maxModelBytes, maxBodyBytes }),
    materialized: parts.materialized,
    docsAssets: openDocsAssets(),
    metricsText: parts.metricsText,
    comparedElsewhere,
  });
  const direct = { "/predict": predict, "/get-online-features": onlineFeatures, "/v2/models/*": inference };
  const hono = getRequestListener(app.fetch, { hostname: settings.host });
  return Object.freeze({
    listener: answerAtOnce(direct, maxBodyBytes, clock, receiveWithin(BODY_TIMEOUT_MS, hono)),
    comparedHere: (name: string) => {
      const served = models.get(name);
      return served && compareHere(served, { join, canaries });
    },
    compared: () => models.list().map((served) => ({ model: served.name, versions: compareVersions(served, join) })),
    close: () =>
      ending.abort(new HeadgateError("OVERLOADED", "This gateway is ending; deploy to another one, or again later.")),
  });
}

/** The routes that are asked thousands of times a second. */
interface BusyRoutes {
  readonly predict: Predict;
  readonly inference: AnswerCall;
  readonly onlineFeatures: AnswerCall;
}

/** The same, each refusing in its own form what is expected to come too late; of the protocol's routes only infer. */
function admitted({ clock, lag, models, settings }: AssemblyParts, routes: BusyRoutes): BusyRoutes {
  const ofLoop = { deadlineMs: settings.deadline, clock, expectedMs: (nowMs: number) => lag.waitedMs(nowMs) };
  const ofModels = { ...ofLoop, expectedMs: expectedOfModels(models, lag), publish: publishRefusal };
  const publishCall: AdmissionOptions["publish"] = ({ code }) => publishFeastCall("get-online-features", code, 0);
  const infer = admitting(routes.inference, { ...ofModels, problem: inferProblem });
  return {
    predict: admitting(routes.predict, { ...ofModels, problem: problemAnswer }),
    inference: (call) => (call.path.endsWith("/infer") ? infer(call) : routes.inference(call)),
    onlineFeatures: admitting(routes.onlineFeatures, { ...ofLoop, problem: feastProblem, publish: publishCall }),
  };
}
