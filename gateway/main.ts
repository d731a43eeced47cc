/**
 * The gateway as a process: opens the store, the definitions and the models, listens, and on the way out answers
 * everything it has accepted. Everything that can be wrong is found before the port is opened.
 */

import { join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../config.ts";
import type { AppliedRegistry } from "../features/applied-registry.ts";
import { AppliedRegistryWatch, readHeldRegistry } from "../features/applied-registry-watch.ts";
import { loadFeatureRepository } from "../features/feature-repository.ts";
import { materializedReader } from "../features/materialized-view.ts";
import { parityVerdictReader } from "../features/parity-verdict.ts";
import { compileReadPlan } from "../features/read-plan.ts";
import type { Registry } from "../features/registry.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import { openServingStore, type ServingStore } from "../features/store/serving-store.ts";
import type { StoredSchemas } from "../features/stored-schema.ts";
import { type Models, openModels } from "../models/lifecycle.ts";
import { type ModelRepository, openModelRepository } from "../models/repository.ts";
import { watchModels } from "../models/repository-watch.ts";
import { packageManifest, packageRoot } from "../package-root.ts";
import { type ProcessMetrics, startTelemetry, sumCounted, sumMetrics, type Telemetry } from "../telemetry.ts";
import { assemble } from "./assembly.ts";
import { openHttpServer } from "./http-server.ts";
import { BEAT_MS, LoopLag } from "./loop-lag.ts";
import type { WorkerComparison } from "./model-comparison.ts";
import { startServedLog } from "./served-log-open.ts";
import type { WorkersLink } from "./workers-link.ts";
import type { WorkerAnswer } from "./workers-message.ts";
import { tellingModels } from "./workers-models.ts";

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
 * STORE_UNREACHABLE … A model that can't be loaded does not stop it: that model answers 503 and says why. `link`: it is
 * one of several workers.
 */
export async function startGateway(
  config: Config,
  writeLog: (line: string) => void,
  link?: WorkersLink,
): Promise<Gateway> {
  const now = () => Date.now();
  const registry = await loadFeatureRepository(config.projectDirectory);
  const telemetry = startTelemetry(writeLog, now, link && { worker: link.place });
  let serving: ServingStore | undefined;
  let repository: ModelRepository | undefined;
  let models: Models | undefined;
  try {
    serving = await openStore(config, registry);
    telemetry.watchStore(serving);
    const { store, memory, watched } = serving;
    const held = await readHeldRegistry(store.control, registry, registry.views.values(), watched);
    const { applied, schemas } = held;
    const onChange = (problem: string | undefined) => {
      // What memory keeps was decoded by the ids that the store had; they may mean others now.
      if (problem !== undefined) memory?.drop();
    };
    const registryWatch = new AppliedRegistryWatch({ ...held, onChange });
    repository = await openRepository(config);
    models = await loadModels(config, registry, repository);
    const opened = { config, registry, applied, registryWatch, schemas, serving, repository, models };
    return await listen({ ...opened, telemetry, now, link });
  } catch (thrown) {
    await models?.close();
    await repository?.close();
    await serving?.store.close();
    telemetry.stop();
    throw thrown;
  }
}

function openStore(config: Config, registry: Registry): Promise<ServingStore> {
  return openServingStore(config.onlineStore, {
    ...config,
    registry,
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
    mayBeEmpty: config.modelsRequired === "off",
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
  readonly registryWatch: AppliedRegistryWatch;
  readonly schemas: StoredSchemas;
  readonly serving: ServingStore;
  readonly repository: ModelRepository;
  readonly models: Models;
  readonly telemetry: Telemetry;
  readonly now: () => number;
  readonly link: WorkersLink | undefined;
}

async function listen(parts: Parts): Promise<Gateway> {
  const { config, registry, registryWatch, serving, repository, models, telemetry, now, link } = parts;
  const { store } = serving;
  const clock = () => performance.now();
  const lag = new LoopLag(clock());
  let draining = false;
  const loaded = [...registry.views.values()].filter(({ source }) => source !== undefined).map(({ name }) => name);
  const materialized = materializedReader({ control: store.control, views: loaded, now });
  const parity = parityVerdictReader({ control: store.control, views: loaded, now });
  const assembly = assemble({
    ...parts,
    models: link === undefined ? models : tellingModels(models, link),
    clock,
    lag,
    settings: config,
    materialized,
    parity,
    comparedElsewhere: link && ((model) => comparedElsewhere(model, link)),
    metricsText: () => (link === undefined ? telemetry.metricsText() : metricsOfAll(telemetry, link)),
    isDraining: () => draining,
    version: packageManifest().version,
    command: [process.execPath, join(packageRoot(), "dist", "cli.js"), "--project", config.projectDirectory],
  });
  telemetry.watchMaterialized(materialized);
  telemetry.watchParity(parity);
  telemetry.watchModelQueues(models);
  telemetry.watchModelVersions(assembly.compared);
  if (link !== undefined) telemetry.watchWorkers(link.workersEnded);
  const server = await openHttpServer({ ...config, clock }, assembly.listener);
  const beating = setInterval(() => {
    lag.beat(clock());
    // Sockets are read between a turn's timers and this.
    setImmediate(() => lag.turned());
  }, BEAT_MS).unref();
  const servedLog = startServedLog(config);
  const wait = (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal, ref: false });
  const watching = watchModels(models, { repository, intervalMs: config.modelsPoll, wait });
  registryWatch.start(wait);
  // One of several workers does it for all.
  const sweeping =
    link === undefined || link.place === 1
      ? setInterval(() => void sweep(store, telemetry, now()), config.sweepInterval).unref()
      : undefined;
  link?.answerBy(async (question) => {
    if (question.about === "metrics") return metricsAnswer(telemetry, link);
    if (question.about === "comparison") return { passing: assembly.comparedHere(question.model) };
    await models.refresh(question.model, question.until);
    return {};
  });
  let closed: Promise<void> | undefined;
  const close = async () => {
    draining = true;
    clearInterval(beating);
    clearInterval(sweeping);
    const drained = server.drain();
    // A client could wait longer for a deploy than the drain does for it.
    assembly.close();
    await drained;
    await servedLog?.close();
    await Promise.all([watching.close(), registryWatch.close()]);
    await models.close();
    await repository.close();
    await store.close();
    telemetry.stop();
  };
  return Object.freeze({ url: server.url, registry, models, store, close: () => (closed ??= close()) });
}

/** How long another worker may take to say what it counts, ms; one that holds its event loop for longer is left out. */
const COUNTS_WITHIN_MS = 2_000;

async function comparedElsewhere(model: string, link: WorkersLink): Promise<readonly WorkerComparison[]> {
  const answers = await link.ask({ about: "comparison", model }, COUNTS_WITHIN_MS);
  return answers.flatMap(({ passing }) => (passing === undefined ? [] : [passing as WorkerComparison]));
}

/** What this worker has counted, with those before it in its place, and what it shows. */
async function metricsAnswer(telemetry: Telemetry, link: WorkersLink): Promise<WorkerAnswer> {
  const { counted, shown } = await telemetry.metrics();
  const before = link.inherited() as ProcessMetrics["counted"] | undefined;
  return { lasting: before === undefined ? counted : await sumCounted([counted, before]), passing: shown };
}

async function metricsOfAll(telemetry: Telemetry, link: WorkersLink): Promise<string> {
  const own = await metricsAnswer(telemetry, link);
  const others = await link.ask({ about: "metrics" }, COUNTS_WITHIN_MS, own.lasting);
  const metrics = ({ lasting, passing }: WorkerAnswer) =>
    ({ counted: lasting, shown: passing }) as Partial<ProcessMetrics>;
  return sumMetrics([own, ...others].map(metrics));
}

async function sweep(store: OnlineStore, telemetry: Telemetry, nowMs: number): Promise<void> {
  try {
    const collected = await store.sweep(nowMs);
    if (collected > 0) telemetry.log("info", "collected expired rows", { rows: collected });
  } catch (cause) {
    telemetry.log("error", "sweep failed; it is tried again at the next interval", { reason: String(cause) });
  }
}
