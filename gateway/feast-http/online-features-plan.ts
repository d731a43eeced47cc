/**
 * What a list of features asks for, compiled once: the features as a service of their own with its read plan, the
 * columns that are echoed, and the answer's writer. Applications ask for few different lists, so the plans of the last
 * ones are kept; a request then only walks arrays.
 */

import { HeadgateError } from "../../errors.ts";
import { type FeatureOrigin, type FeatureService, featureService } from "../../features/feature-service.ts";
import type { FeatureView } from "../../features/feature-view.ts";
import { type Accept, typeName } from "../../features/field.ts";
import { compileReadPlan, type ReadPlan } from "../../features/read-plan.ts";
import { createFeatureReader, type FeatureReader } from "../../features/reader.ts";
import { type Registry, viewJoinKeys } from "../../features/registry.ts";
import type { OnlineStore } from "../../features/store/online-store.ts";
import type { StoredSchemas } from "../../features/stored-schema.ts";
import { type AskedFeature, askedFeatures, type KeyColumn, keyColumnsOf } from "./asked-features.ts";
import { compileFeastTake } from "./feast-json.ts";
import { type AnswerOnlineFeatures, compileOnlineFeaturesAnswer } from "./online-features-answer.ts";
import { invalid, type OnlineFeaturesRequest } from "./online-features-request.ts";

/** A column of a request that is a request feature. */
export interface RequestColumn {
  readonly name: string;
  /** Its request source. */
  readonly source: string;
  readonly typeName: string;
  readonly take: Accept;
}

/** A list of features, compiled. */
export interface OnlineFeaturesPlan {
  /** Undefined where no view can be read, each lacking a join key. */
  readonly reader: FeatureReader | undefined;
  /** What on-demand views take from the request, in the order of the read plan. */
  readonly requestColumns: readonly RequestColumn[];
  readonly keys: readonly KeyColumn[];
  readonly answer: AnswerOnlineFeatures;
}

/** What the plans are made from. */
export interface OnlineFeaturesPlansOptions {
  readonly store: Pick<OnlineStore, "read">;
  readonly schemas: StoredSchemas;
  readonly registry: Registry;
  /** True: every status is PRESENT and no value is too old, as from Feast's own server. */
  readonly presentOnly: boolean;
  /** The most plans that are kept; PLANS_MAX unless given. */
  readonly plansMax?: number;
  /** The most references of a plan that is kept; PLAN_FEATURES_MAX unless given. */
  readonly planFeaturesMax?: number;
}

/** A plan takes some kilobytes. One that is asked for again after as many others is compiled again. */
const PLANS_MAX = 256;

/**
 * A plan takes some 0.3 KB and 10 µs a feature. A longer list's is compiled for each of its requests, or whoever sends
 * such lists in ever other orders would fill memory: so it is 40 MB at most. Services are declared: theirs are kept.
 */
const PLAN_FEATURES_MAX = 500;

/** Finds or compiles a request's plan. Throws REQUEST_INVALID, VIEW_NOT_FOUND, SERVICE_NOT_FOUND, ENTITY_KEY_INVALID, FEATURE_NAMES_COLLIDE. */
export function createOnlineFeaturesPlans(
  options: OnlineFeaturesPlansOptions,
): (request: OnlineFeaturesRequest) => OnlineFeaturesPlan {
  const { registry, plansMax = PLANS_MAX, planFeaturesMax = PLAN_FEATURES_MAX } = options;
  const known = keyColumnsOf(registry);
  // A Map keeps its entries in the order they were put in: the first is the one used longest ago.
  const plans = new Map<string, OnlineFeaturesPlan>();
  let newest: string | undefined;
  return (request) => {
    const keys: KeyColumn[] = [];
    for (const name in request.entities) {
      const column = known.get(name);
      if (column !== undefined) keys.push(column);
    }
    if (request.service === undefined && request.features.length > planFeaturesMax) {
      return compilePlan(options, request, keys);
    }
    const key = keyOf(request, keys);
    let plan = plans.get(key);
    if (plan !== undefined && key === newest) return plan;
    if (plan === undefined) {
      plan = compilePlan(options, request, keys);
      if (plans.size >= plansMax) plans.delete(plans.keys().next().value!);
    } else plans.delete(key);
    plans.set(key, plan);
    newest = key;
    return plan;
  };
}

/** The count is in it because a reference could hold the character that they are joined by. */
function keyOf({ features, service, fullNames, viewMetadata }: OnlineFeaturesRequest, keys: readonly KeyColumn[]) {
  let key = `${fullNames ? 1 : 0}${viewMetadata ? 1 : 0}`;
  for (let i = 0; i < keys.length; i++) key += `${keys[i]!.sentAs},`;
  return service === undefined ? `${key}\n${features.length}\n${features.join("\n")}` : `${key}/${service}`;
}

function compilePlan(
  options: OnlineFeaturesPlansOptions,
  request: OnlineFeaturesRequest,
  keys: readonly KeyColumn[],
): OnlineFeaturesPlan {
  const asked = askedFeatures(options.registry, request);
  refuseKeyTwice(keys);
  const sent = new Set(keys.map(({ joinKey }) => joinKey));
  const names = answeredNames(asked, request.fullNames, sent);
  const readable = asked.filter(({ from }) => isReadable(from, sent));
  const service = readable.length === 0 ? undefined : featureService("online_features", readable.map(selected));
  const plan = service && planOf(service, options.presentOnly);
  const answer = compileOnlineFeaturesAnswer({
    ...{ keys, asked, names, plan },
    presentOnly: options.presentOnly,
    views: request.viewMetadata ? [...new Set(asked.map(({ from }) => from.name))] : undefined,
  });
  const reader = plan && createFeatureReader(options.store, options.schemas, plan);
  const requestColumns = (plan?.requestFields ?? []).map(({ name, source, type }) => ({
    ...{ name, source, typeName: typeName(type), take: compileFeastTake(type) },
  }));
  return Object.freeze({ reader, requestColumns, keys, answer });
}

function planOf(service: FeatureService, ageless: boolean): ReadPlan {
  const plan = compileReadPlan(service);
  if (!ageless) return plan;
  const keys = plan.keys.map((key) => ({
    ...key,
    views: key.views.map((view) => ({ ...view, maxAgeUs: Number.POSITIVE_INFINITY })),
  }));
  return Object.freeze({ ...plan, keys });
}

const selected = ({ from, field }: AskedFeature) => ({ from, fields: [field] });

function refuseKeyTwice(keys: readonly KeyColumn[]): void {
  const seen = new Set<string>();
  for (const { joinKey } of keys) {
    if (!seen.has(joinKey)) seen.add(joinKey);
    else throw invalid(`"entities" has the join key ${joinKey} twice, once by the name of its entity; send it once.`);
  }
}

/** Names as the answer has them. Two equal ones could not be told apart. */
function answeredNames(
  asked: readonly AskedFeature[],
  fullNames: boolean,
  joinKeys: ReadonlySet<string>,
): readonly string[] {
  const seen = new Set(joinKeys);
  return asked.map(({ from, field }) => {
    const name = fullNames ? `${from.name}__${field}` : field;
    if (seen.has(name)) {
      const remedy = fullNames ? "ask for each feature once" : "set full_feature_names, or ask for each feature once";
      throw new HeadgateError("FEATURE_NAMES_COLLIDE", `Two columns of the answer would be named ${name}; ${remedy}.`);
    }
    seen.add(name);
    return name;
  });
}

/**
 * True where all join keys were sent. With some of them Feast finds no row of a view of several, and answers so; with
 * none the request is wrong. An on-demand view needs all of its inputs.
 */
function isReadable(from: FeatureOrigin, sent: ReadonlySet<string>): boolean {
  const views = from.kind === "onDemandFeatureView" ? from.inputs : [from];
  return views
    .filter((view): view is FeatureView => view.kind === "featureView")
    .every((view) => {
      const joinKeys = Object.keys(viewJoinKeys(view));
      const missing = joinKeys.filter((name) => !sent.has(name));
      if (missing.length === 0) return true;
      if (missing.length < joinKeys.length && from.kind === "featureView") return false;
      throw new HeadgateError(
        "ENTITY_KEY_INVALID",
        `"entities" lacks ${missing.join(", ")}, by which feature view ${view.name} is looked up.`,
      );
    });
}
