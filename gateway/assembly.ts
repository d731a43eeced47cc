/**
 * The gateway's parts put together: what every route needs, made once, so that a request finds all of it compiled. It
 * opens nothing and listens to nothing; that is main.ts's.
 */

import type { RequestListener } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { HeadgateError } from "../errors.ts";
import type { AppliedRegistry } from "../features/applied-registry.ts";
import type { MaterializedViews } from "../features/materialized-view.ts";
import type { ParityVerdicts } from "../features/parity-verdict.ts";
import type { Registry } from "../features/registry.ts";
import type { ServingStore } from "../features/store/serving-store.ts";
import { StoredSchemas } from "../features/stored-schema.ts";
import { inspectElsewhere } from "../models/deploy-graph.ts";
import type { Models } from "../models/lifecycle.ts";
import { loadModel } from "../models/loaded-model.ts";
import type { ModelRepository } from "../models/repository.ts";
import { createApp } from "./app.ts";
import { CanaryWatch } from "./canary-watch.ts";
import { createDeployTools } from "./deploy-tools.ts";
import { openDocsAssets } from "./docs-page.ts";
import { createModelJoin } from "./joined-model.ts";
import { type ComparedVersion, compareVersions } from "./model-comparison.ts";
import { createModelDeploys } from "./model-deploy.ts";
import { createPredict } from "./predict.ts";
import { predictAtOnce } from "./predict-route.ts";
import { receiveWithin } from "./receive-timeout.ts";
import { createRowWrite } from "./row-write.ts";
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
  readonly readyParity: number;
}

/** What was opened. */
export interface AssemblyParts {
  readonly settings: AssemblySettings;
  readonly registry: Registry;
  readonly applied: AppliedRegistry | undefined;
  readonly serving: ServingStore;
  readonly repository: ModelRepository;
  readonly models: Models;
  readonly materialized: () => Promise<MaterializedViews>;
  readonly parity: () => Promise<ParityVerdicts>;
  readonly metricsText: () => Promise<string>;
  readonly isDraining: () => boolean;
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
  /** Gives up the deploys that are under way. */
  close(): void;
}

/** How long a client may take to send a body, ms, uploads of models apart; the deadline ends a prediction long before. */
const BODY_TIMEOUT_MS = 60_000;

/** Puts the parts together. */
export function assemble(parts: AssemblyParts): Assembly {
  const { applied, clock, models, now, registry, repository, serving, settings } = parts;
  const { store, memory } = serving;
  const { adminToken, deadline: deadlineMs, maxBodyBytes, maxEntities, maxModelBytes } = settings;
  const schemas = new StoredSchemas(store.control);
  const join = createModelJoin(store, schemas, registry, memory);
  // Plans are compiled here, so that no first request pays for it.
  for (const { ready } of models.list()) for (const model of ready.values()) join(model);

  const wait = (ms: number) => new Promise<void>((waited) => setTimeout(waited, ms).unref());
  const canaries = new CanaryWatch({ repository, models, join, wait });
  const shadows = createShadows({ join, clock });
  const predict = createPredict({
    ...{ models, join, canaries, shadows, adminToken, maxEntities, deadlineMs, now, clock },
  });
  const [maxFutureMs, expiryGraceMs] = [settings.maxFuture, settings.expiryGrace];
  const writeRows = createRowWrite({ store, registry, applied, maxEntities, maxFutureMs, expiryGraceMs, now });
  const ending = new AbortController();
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
    ...{ store, schemas, registry, applied, models, join, canaries, predict, writeRows, memory },
    ...{ adminToken, maxBodyBytes, now },
    deploys: createModelDeploys({ tools, models, adminToken, maxModelBytes, maxBodyBytes }),
    materialized: parts.materialized,
    parity: parts.parity,
    readyParityMs: settings.readyParity,
    isDraining: parts.isDraining,
    docsAssets: openDocsAssets(),
    version: parts.version,
    metricsText: parts.metricsText,
  });
  const hono = getRequestListener(app.fetch, { hostname: settings.host });
  return Object.freeze({
    listener: predictAtOnce(predict, maxBodyBytes, receiveWithin(BODY_TIMEOUT_MS, hono)),
    compared: () => models.list().map((served) => ({ model: served.name, versions: compareVersions(served, join) })),
    close: () =>
      ending.abort(new HeadgateError("OVERLOADED", "This gateway is ending; deploy to another one, or again later.")),
  });
}
