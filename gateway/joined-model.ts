/**
 * A model version joined to its features: everything a prediction needs, compiled when the model is loaded, so that a
 * request only walks it. This is the joint that others leave to two network hops and a hard-coded feature order.
 */

import { compileEntityKey, sortedJoinKeys } from "../features/entity-key.ts";
import { compileFromJson } from "../features/json-value.ts";
import { compileReadPlan, type ReadPlan } from "../features/read-plan.ts";
import { createFeatureReader, type EntityKeys, type FeatureReader, type FencedRows } from "../features/reader.ts";
import type { Registry } from "../features/registry.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import type { StoredSchemas } from "../features/stored-schema.ts";
import type { LoadedModel } from "../models/loaded-model.ts";
import { compileScore } from "../models/score.ts";
import { VersionStatistics } from "../models/version-statistics.ts";
import { compileMissingPolicy, type FeedEntity } from "./missing-features.ts";
import { type AnswerWriter, compileAnswer } from "./predict-answer.ts";
import { compileEntityCheck } from "./predict-request.ts";

/** A loaded version with the features it is served. */
export interface JoinedModel {
  readonly model: LoadedModel;
  readonly reader: FeatureReader;
  /** Throws ENTITY_KEY_INVALID. */
  readonly checkEntities: (entities: readonly EntityKeys[]) => void;
  readonly feedEntity: FeedEntity;
  readonly answer: AnswerWriter;
  /** The canonical key of all of an entity's join keys; empty for a service without entities. Throws ENTITY_KEY_INVALID. */
  readonly entityKey: (entity: EntityKeys) => string;
  /** What this version answered in this process. */
  readonly statistics: VersionStatistics;
}

/** Joins versions to their features, each once. */
export function createModelJoin(
  store: OnlineStore,
  schemas: StoredSchemas,
  registry: Registry,
  fenced?: FencedRows,
): (model: LoadedModel) => JoinedModel {
  const joined = new WeakMap<LoadedModel, JoinedModel>();
  return (model) => {
    let known = joined.get(model);
    if (known === undefined) {
      const { maxAgeMs, service } = model.manifest;
      // Loading the model found its service in this same registry.
      const plan = compileReadPlan(registry.services.get(service)!, maxAgeMs);
      known = join(model, createFeatureReader(store, schemas, plan, fenced));
      joined.set(model, known);
    }
    return known;
  };
}

function join(model: LoadedModel, reader: FeatureReader): JoinedModel {
  const { manifest } = model;
  const { plan } = reader;
  return Object.freeze({
    model,
    reader,
    checkEntities: compileEntityCheck(plan.joinKeys, plan.service),
    feedEntity: compileMissingPolicy(plan, manifest.missing, model.signature),
    answer: compileAnswer(
      model.name,
      manifest.outputs.map((output) => output.name),
      plan,
    ),
    entityKey: compileKey(plan),
    statistics: new VersionStatistics(compileScore(manifest.score, model.signature.outputs)),
  });
}

function compileKey({ joinKeys }: ReadPlan): (entity: EntityKeys) => string {
  const names = sortedJoinKeys(joinKeys);
  const keyOf = compileEntityKey(joinKeys, compileFromJson);
  return (entity) => keyOf(names.map((name) => entity[name]));
}
