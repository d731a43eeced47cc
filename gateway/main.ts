/**
 * The gateway as a process: opens the store, the definitions and the models, listens, and on the way out answers
 * everything it has accepted. Everything that can be wrong is found before the port is opened.
 */

import { resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../config.ts";
import { type AppliedRegistry, readAppliedRegistry, requireApplied } from "../features/applied-registry.ts";
import { loadFeatureRepository } from "../features/feature-repository.ts";
import { materializedReader } from "../features/materialized-view.ts";
import { parityVerdictReader } from "../features/parity-verdict.ts";
import { compileReadPlan } from "../features/read-plan.ts";
import type { Registry } from "../features/registry.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import { openServingStore, type ServingStore } from "../features/store/serving-store.ts";
import { type Models, openModels } from "../models/lifecycle.ts";
import { type ModelRepository, openModelRepository } from "../models/repository.ts";
import { watchModels } from "../models/repository-watch.ts";
import { packageManifest } from "../package-root.ts";
import { startTelemetry, type Telemetry } from "../telemetry.ts";
import { assemble } from "./assembly.ts";
import { openHttpServer } from "./http-server.ts";
import { startServedLog } from "./served-log-open.ts";

/** A running gateway. */
export interface Gateway {
  /** Such as http://127.0.0.1:8080. */
  readonly url: string;
  readonly registry: Registry;
  readonly models: Models;
  readonly store: OnlineStore;
  /** Says it is draining, answers what it accepted, and frees everything. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Starts a gateway. Throws what any part of it refuses: CONFIG_INVALID, DEFINITION_INVALID, REGISTRY_NOT_APPLIED,
 * STORE_UNREACHABLE … A model that can't be loaded does not stop it: that model answers 503 and says why.
 */
export async function startGateway(config: Config, writeLog: (line: string) => void): Promise<Gateway> {
  const now = () => Date.now();
  const registry = await loadFeatureRepository(config.projectDirectory);
  const telemetry = startTelemetry(writeLog, now);
  let serving: ServingStore | undefined;
  let repository: ModelRepository | undefined;
  let models: Models | undefined;
  try {
    serving = await openStore(config);
    telemetry.watchStore(serving);
    const applied = await readAppliedRegistry(serving.store.control);
    requireApplied(applied, registry, registry.views.values());
    repository = await openRepository(config);
    models = await loadModels(config, registry, repository);
    return await listen({ config, registry, applied, serving, repository, models, telemetry, now });
  } catch (thrown) {
    await models?.close();
    await repository?.close();
    await serving?.store.close();
    telemetry.stop();
    throw thrown;
  }
}

function openStore(config: Config): Promise<ServingStore> {
  return openServingStore(config.onlineStore, {
    ...config,
    redis: { minReplicas: config.minReplicas },
    heartbeatIntervalMs: config.heartbeatInterval,
    heartbeatTimeoutMs: config.heartbeatTimeout,
    breakerBackoffMs: config.breakerBackoff,
    breakerBackoffMaxMs: config.breakerBackoffMax,
    clock: () => performance.now(),
    random: Math.random,
  });
}

/** Opens the model repository of a project. */
export function openRepository(config: Config): Promise<ModelRepository> {
  return openModelRepository(config.models, {
    directory: config.projectDirectory,
    cacheDirectory: resolve(config.projectDirectory, config.modelsCache),
  });
}

/** Loads the models of a repository against a project's definitions. */
export async function loadModels(config: Config, registry: Registry, repository: ModelRepository): Promise<Models> {
  return openModels({
    repository,
    columnsOf: (service) => {
      const declared = registry.services.get(service);
      return declared === undefined ? undefined : compileReadPlan(declared).columns;
    },
    maxBatchRows: config.maxBatchRows,
    maxQueueRows: config.maxQueueRows,
    versionsReady: config.modelsReady,
    now: () => performance.now(),
  });
}

interface Parts {
  readonly config: Config;
  readonly registry: Registry;
  readonly applied: AppliedRegistry | undefined;
  readonly serving: ServingStore;
  readonly repository: ModelRepository;
  readonly models: Models;
  readonly telemetry: Telemetry;
  readonly now: () => number;
}

async function listen(parts: Parts): Promise<Gateway> {
  const { config, registry, serving, repository, models, telemetry, now } = parts;
  const { store } = serving;
  let draining = false;
  const loaded = [...registry.views.values()].filter(({ source }) => source !== undefined).map(({ name }) => name);
  const materialized = materializedReader({ control: store.control, views: loaded, now });
  const parity = parityVerdictReader({ control: store.control, views: loaded, now });
  const assembly = assemble({
    ...parts,
    clock: () => performance.now(),
    settings: config,
    materialized,
    parity,
    metricsText: () => telemetry.metricsText(),
    isDraining: () => draining,
    version: packageManifest().version,
  });
  telemetry.watchMaterialized(materialized);
  telemetry.watchParity(parity);
  telemetry.watchModelQueues(models);
  telemetry.watchModelVersions(assembly.compared);
  const server = await openHttpServer(config, assembly.listener);
  const servedLog = startServedLog(config);
  const watching = watchModels(models, {
    repository,
    intervalMs: config.modelsPoll,
    wait: (ms, signal) => sleep(ms, undefined, { signal, ref: false }),
  });
  const sweeping = setInterval(() => void sweep(store, telemetry, now()), config.sweepInterval);
  sweeping.unref();
  let closed: Promise<void> | undefined;
  const close = async () => {
    draining = true;
    clearInterval(sweeping);
    const drained = server.drain();
    // A client could wait longer for a deploy than the drain does for it.
    assembly.close();
    await drained;
    await servedLog?.close();
    await watching.close();
    await models.close();
    await repository.close();
    await store.close();
    telemetry.stop();
  };
  return Object.freeze({ url: server.url, registry, models, store, close: () => (closed ??= close()) });
}

async function sweep(store: OnlineStore, telemetry: Telemetry, nowMs: number): Promise<void> {
  try {
    const collected = await store.sweep(nowMs);
    if (collected > 0) telemetry.log("info", "collected expired rows", { rows: collected });
  } catch (cause) {
    telemetry.log("error", "sweep failed; it is tried again at the next interval", { reason: String(cause) });
  }
}
