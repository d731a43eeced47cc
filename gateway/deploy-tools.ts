/** What deploys and changes of traffic work with, put together once for a gateway or a command. */

import { readAppliedRegistry } from "../features/applied-registry.ts";
import { presentVerdicts, readParityVerdicts } from "../features/parity-verdict.ts";
import { compileReadPlan } from "../features/read-plan.ts";
import type { FencedRows } from "../features/reader.ts";
import type { Registry } from "../features/registry.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import type { StoredSchemas } from "../features/stored-schema.ts";
import { appliedDefinition } from "../features/view-definition.ts";
import type { CandidateToLoad, DeployTools } from "../models/deploy.ts";
import type { InspectModel } from "../models/deploy-graph.ts";
import type { TrafficTools } from "../models/deploy-traffic.ts";
import type { LoadedModel, VersionToLoad } from "../models/loaded-model.ts";
import type { ModelRepository } from "../models/repository.ts";
import { createDryRun } from "./dry-run.ts";

/** What they are made of. */
export interface DeployToolsOptions {
  readonly repository: ModelRepository;
  readonly registry: Registry;
  readonly store: OnlineStore;
  readonly schemas: StoredSchemas;
  /** The memory before a remote store. */
  readonly fenced?: FencedRows | undefined;
  readonly inspect: InspectModel;
  /** Opens a version beside whatever serves. */
  readonly load: (version: VersionToLoad) => Promise<LoadedModel>;
  readonly servingVersion: (model: string) => Promise<number | undefined>;
  readonly isReady: (model: string, version: number) => boolean;
  /** Epoch ms. */
  readonly now: () => number;
  /** Monotonic ms. */
  readonly clock: () => number;
  /** See DeployTools. */
  readonly signal?: AbortSignal | undefined;
}

/** Puts them together. */
export function createDeployTools(options: DeployToolsOptions): DeployTools & TrafficTools {
  const { clock, inspect, isReady, load, now, registry, repository, servingVersion, signal, store } = options;
  const columnsOf = (service: string) => {
    const declared = registry.services.get(service);
    return declared === undefined ? undefined : compileReadPlan(declared).columns;
  };
  return Object.freeze({
    repository,
    registry,
    inspect,
    load: (version: CandidateToLoad) => load({ signal, ...version, columnsOf, now: clock }),
    dryRun: createDryRun(options),
    parityVerdicts: async (views: readonly string[]) => {
      const applied = await readAppliedRegistry(store.control);
      const verdicts = await readParityVerdicts(store.control, views);
      return presentVerdicts(verdicts, (view) => appliedDefinition(registry, applied, view));
    },
    servingVersion,
    isReady,
    now,
    clock,
    signal,
  });
}
