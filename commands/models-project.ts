/**
 * A project's models opened for one command: the same repository, the same checks as in a gateway, in this process.
 * Running gateways notice what is changed by themselves.
 */

import { performance } from "node:perf_hooks";
import { type Config, loadConfig } from "../config.ts";
import { HeadgateError, hasCode } from "../errors.ts";
import { loadFeatureRepository } from "../features/feature-repository.ts";
import { compileReadPlan } from "../features/read-plan.ts";
import type { Registry } from "../features/registry.ts";
import { openOnlineStore } from "../features/store/open.ts";
import { StoredSchemas } from "../features/stored-schema.ts";
import { createDeployTools } from "../gateway/deploy-tools.ts";
import type { DeployTools } from "../models/deploy.ts";
import { inspectHere } from "../models/deploy-graph.ts";
import type { TrafficTools } from "../models/deploy-traffic.ts";
import { loadModel } from "../models/loaded-model.ts";
import { type ModelRepository, openModelRepository } from "../models/repository.ts";
import type { CommandContext } from "./command.ts";

/** Opens what changes of traffic need, and closes it after the work. */
export async function withModels<T>(context: CommandContext, work: (tools: TrafficTools) => Promise<T>): Promise<T> {
  const { config, registry, repository } = await openModelsProject(context);
  try {
    return await work(trafficTools(config, registry, repository));
  } finally {
    await repository.close();
  }
}

/** What a deploy needs on top: the online store, for its dry run. */
export async function withDeploys<T>(
  context: CommandContext,
  work: (tools: DeployTools & TrafficTools, config: Config) => Promise<T>,
): Promise<T> {
  const { config, registry, repository } = await openModelsProject(context);
  try {
    const store = await openOnlineStore(config.onlineStore, {
      ...config,
      registry,
      redis: { minReplicas: config.minReplicas, now: () => performance.now() },
    });
    try {
      const traffic = trafficTools(config, registry, repository);
      const tools = createDeployTools({
        ...traffic,
        store,
        schemas: new StoredSchemas(store.control),
        // Nothing is served from this process, so nothing waits.
        inspect: inspectHere,
        load: loadModel,
        now: context.now,
        clock: () => performance.now(),
      });
      return await work(tools, config);
    } finally {
      await store.close();
    }
  } finally {
    await repository.close();
  }
}

async function openModelsProject({ environment, projectDirectory }: CommandContext) {
  const config = await loadConfig(projectDirectory, environment);
  const registry = await loadFeatureRepository(config.projectDirectory);
  const options = { directory: config.projectDirectory, mayBeEmpty: true };
  return { config, registry, repository: await openModelRepository(config.models, options) };
}

function trafficTools(config: Config, registry: Registry, repository: ModelRepository): TrafficTools {
  const { maxBatchRows, maxQueueRows } = config;
  const columnsOf = (service: string) => {
    const declared = registry.services.get(service);
    return declared === undefined ? undefined : compileReadPlan(declared).columns;
  };
  const load: TrafficTools["load"] = (version) =>
    loadModel({ ...version, columnsOf, maxBatchRows, maxQueueRows, now: () => performance.now() });
  return Object.freeze({
    repository,
    registry,
    load,
    servingVersion: (model: string) => newestThatLoads(repository, load, model),
    isReady: () => false,
  });
}

/** Which version serves where no traffic file says it: the newest that loads. */
async function newestThatLoads(
  repository: ModelRepository,
  load: TrafficTools["load"],
  name: string,
): Promise<number | undefined> {
  for (const version of await versionsOf(repository, name)) {
    try {
      const loaded = await load({ repository, name, version });
      await loaded.close();
      return version;
    } catch (thrown) {
      if (!(thrown instanceof HeadgateError) || thrown.code === "REPOSITORY_UNREACHABLE") throw thrown;
    }
  }
  return undefined;
}

async function versionsOf(repository: ModelRepository, name: string): Promise<readonly number[]> {
  try {
    return await repository.versions(name);
  } catch (thrown) {
    if (hasCode(thrown, "MODEL_NOT_FOUND")) return [];
    throw thrown;
  }
}
