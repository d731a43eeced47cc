/**
 * The gateway as a process: opens the store, the definitions and the models, listens, and on the way out answers
 * everything it has accepted. Everything that can be wrong is found before the port is opened.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { getRequestListener } from "@hono/node-server";
import type { Config } from "../config.ts";
import { HeadgateError } from "../errors.ts";
import { type AppliedRegistry, readAppliedRegistry, requireApplied } from "../features/applied-registry.ts";
import { loadFeatureRepository } from "../features/feature-repository.ts";
import { materializedReader } from "../features/materialized-view.ts";
import { compileReadPlan } from "../features/read-plan.ts";
import type { Registry } from "../features/registry.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import { openServingStore, type ServingStore } from "../features/store/serving-store.ts";
import { StoredSchemas } from "../features/stored-schema.ts";
import { type Models, openModels } from "../models/lifecycle.ts";
import { openModelRepository } from "../models/repository.ts";
import { packageManifest } from "../package-root.ts";
import { startTelemetry, type Telemetry } from "../telemetry.ts";
import { createApp } from "./app.ts";
import { openDocsAssets } from "./docs-page.ts";
import { createModelJoin } from "./joined-model.ts";
import { createPredict } from "./predict.ts";
import { predictAtOnce } from "./predict-route.ts";
import { createRowWrite } from "./row-write.ts";

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
  let models: Models | undefined;
  try {
    serving = await openStore(config);
    telemetry.watchStore(serving);
    const applied = await readAppliedRegistry(serving.store.control);
    requireApplied(applied, registry, registry.views.values());
    models = await loadModels(config, registry);
    return await listen({ config, registry, applied, serving, models, telemetry, now });
  } catch (thrown) {
    await models?.close();
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

/** Loads the model repository of a project against its definitions. */
export async function loadModels(config: Config, registry: Registry): Promise<Models> {
  const repository = await openModelRepository(resolve(config.projectDirectory, config.models));
  return openModels({
    repository,
    columnsOf: (service) => {
      const declared = registry.services.get(service);
      return declared === undefined ? undefined : compileReadPlan(declared).columns;
    },
    maxBatchRows: config.maxBatchRows,
    maxQueueRows: config.maxQueueRows,
    now: () => performance.now(),
  });
}

interface Parts {
  readonly config: Config;
  readonly registry: Registry;
  readonly applied: AppliedRegistry | undefined;
  readonly serving: ServingStore;
  readonly models: Models;
  readonly telemetry: Telemetry;
  readonly now: () => number;
}

async function listen({ config, registry, applied, serving, models, telemetry, now }: Parts): Promise<Gateway> {
  const { store, memory } = serving;
  let draining = false;
  const schemas = new StoredSchemas(store.control);
  const join = createModelJoin(store, schemas, registry, memory);
  // Plans are compiled here, so that no first request pays for it.
  for (const { stable } of models.list()) if (stable !== undefined) join(stable);
  const loaded = [...registry.views.values()].filter(({ source }) => source !== undefined);
  const materialized = materializedReader({ control: store.control, views: loaded.map(({ name }) => name), now });
  telemetry.watchMaterialized(materialized);
  const { adminToken, deadline: deadlineMs, maxBodyBytes, maxEntities } = config;
  const clock = () => performance.now();
  const predict = createPredict({ models, join, adminToken, maxEntities, deadlineMs, now, clock });
  const writeRows = createRowWrite({
    store,
    registry,
    applied,
    maxEntities,
    maxFutureMs: config.maxFuture,
    expiryGraceMs: config.expiryGrace,
    now,
  });
  const app = createApp({
    store,
    schemas,
    registry,
    applied,
    models,
    predict,
    writeRows,
    memory,
    materialized,
    isDraining: () => draining,
    adminToken,
    maxBodyBytes,
    now,
    docsAssets: openDocsAssets(),
    version: packageManifest().version,
    metricsText: () => telemetry.metricsText(),
  });
  const hono = getRequestListener(app.fetch, { hostname: config.host });
  const server = createServer(RECEIVING, predictAtOnce(predict, maxBodyBytes, hono));
  server.listen(config.port, config.host);
  await opened(server, config);
  const sweeping = setInterval(() => void sweep(store, telemetry, now()), config.sweepInterval);
  sweeping.unref();
  let closed: Promise<void> | undefined;
  const close = async () => {
    draining = true;
    server.prependListener("request", closeAfterAnswer);
    clearInterval(sweeping);
    await drain(server, config);
    await models.close();
    await store.close();
    telemetry.stop();
  };
  const { port } = server.address() as AddressInfo;
  const host = config.host.includes(":") ? `[${config.host}]` : config.host;
  return Object.freeze({
    url: `http://${host}:${port}`,
    registry,
    models,
    store,
    close: () => (closed ??= close()),
  });
}

/**
 * How long a client may take to send, ms: the head, then all of a request. Past it Node answers 408 and closes, so that
 * connections which send a byte now and then can't be held for ever; the deadline ends a prediction long before.
 */
const RECEIVING = Object.freeze({ headersTimeout: 10_000, requestTimeout: 60_000, connectionsCheckingInterval: 5_000 });

/** Tells the client, by `connection: close`, to send its next request elsewhere. */
function closeAfterAnswer(_: IncomingMessage, answer: ServerResponse): void {
  answer.shouldKeepAlive = false;
}

function opened(server: Server, { host, port }: Config): Promise<void> {
  return new Promise((done, fail) => {
    server.once("listening", done);
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const problem =
        cause.code === "EADDRINUSE" ? "is taken by another process" : `can't be listened on (${cause.message})`;
      fail(
        new HeadgateError("CONFIG_INVALID", `${host}:${port} ${problem}; choose another with HEADGATE_PORT.`, cause),
      );
    });
  });
}

/** How often idle keep-alive connections are looked for while draining, ms: `close` alone waits for their timeout. */
const IDLE_CHECK_MS = 20;

async function drain(server: Server, { drainGrace, drainTimeout }: Config): Promise<void> {
  await new Promise((waited) => setTimeout(waited, drainGrace));
  const cutting = setTimeout(() => server.closeAllConnections(), drainTimeout);
  const closingIdle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  await new Promise((done) => server.close(done));
  clearInterval(closingIdle);
  clearTimeout(cutting);
}

async function sweep(store: OnlineStore, telemetry: Telemetry, nowMs: number): Promise<void> {
  try {
    const collected = await store.sweep(nowMs);
    if (collected > 0) telemetry.log("info", "collected expired rows", { rows: collected });
  } catch (cause) {
    telemetry.log("error", "sweep failed; it is tried again at the next interval", { reason: String(cause) });
  }
}
