/**
 * A model's dry run: the last question before it is stored is whether it answers for entities as they really are. They
 * are read by the reader of predictions and fed by the same missing policy, run one by one and all together; both must
 * give the same finite numbers, and one run must be over within the manifest's budget.
 */

import { HeadgateError, hasCode } from "../errors.ts";
import type { FeatureValue } from "../features/field.ts";
import { type JsonValue, writeJson } from "../features/json-value.ts";
import { compileReadPlan } from "../features/read-plan.ts";
import { createFeatureReader, type FeatureReader, type FencedRows } from "../features/reader.ts";
import type { Registry } from "../features/registry.ts";
import type { OnlineStore } from "../features/store/online-store.ts";
import type { StoredSchemas } from "../features/stored-schema.ts";
import type { LoadedModel } from "../models/loaded-model.ts";
import type { OutputValue } from "../models/tensor.ts";
import { type SampledEntity, sampleEntities } from "./dry-run-entities.ts";
import { compileMissingPolicy } from "./missing-features.ts";

/** Entities that a model is run over. */
const ENTITIES = 100;
/** How far a row's answer alone may be from its answer in a batch: absolute, and relative to it. */
const TOLERANCE = 1e-5;

/**
 * How long single runs are begun for, ms. A model that takes longer for all of its entities is held against as many as it
 * answered till then; more would make deploys of slow models last.
 */
const SINGLE_RUNS_MS = 60_000;

/** What a dry run needs. */
export interface DryRunOptions {
  readonly store: OnlineStore;
  readonly schemas: StoredSchemas;
  readonly registry: Registry;
  readonly fenced?: FencedRows | undefined;
  /** Epoch ms. */
  readonly now: () => number;
  /** Monotonic ms. */
  readonly clock: () => number;
}

/** Runs a loaded model over stored entities, until it is aborted; gives what was found. Rejects with DRY_RUN_FAILED or STORE_UNREACHABLE. */
export type DryRun = (model: LoadedModel, signal?: AbortSignal) => Promise<string>;

/** An entity and what the model is fed for it. */
interface FedEntity {
  readonly entity: SampledEntity;
  readonly row: readonly FeatureValue[];
}

/** Makes it. */
export function createDryRun(options: DryRunOptions): DryRun {
  const { fenced, now, registry, schemas, store } = options;
  return async (model, signal) => {
    const { manifest } = model;
    const plan = compileReadPlan(registry.services.get(manifest.service)!, manifest.maxAgeMs);
    if (plan.requestFields.length > 0) {
      const names = [...plan.requestNames].join(", ");
      return `left out: feature service "${plan.service}" takes ${names} from the request, which no store has; golden examples are what such a model can be asked with`;
    }
    if (plan.keys.length === 0) return `left out: feature service "${plan.service}" reads no stored view`;
    const entities = await sampleEntities(store, plan, ENTITIES, model.version);
    if (entities.length === 0) return "the online store holds no entity of its views yet, so there was none to ask for";
    const reader = createFeatureReader(store, schemas, plan, fenced);
    const feed = compileMissingPolicy(plan, manifest.missing, model.signature);
    const fed: FedEntity[] = [];
    for (const { entity, vector } of await readAll(reader, entities, now())) {
      const { row } = feed(vector);
      if (row !== undefined) fed.push({ entity, row });
    }
    if (fed.length === 0) {
      return `all ${entities.length} entities that were looked at lack features, which the missing policy "${manifest.missing}" rejects`;
    }
    const { compared, runMs } = await compareRuns(model, fed, options.clock, signal);
    checkBudget(model, runMs);
    const alone = compared === fed.length ? "one by one" : `${compared} of them alone (there was no time for more)`;
    return `${fed.length} of ${entities.length} entities of the online store answered, ${alone} and together; one run takes ${runMs.toFixed(2)} ms`;
  };
}

/** All at once; where a transform fails for one of them, one by one without that one, as their requests would be. */
async function readAll({ read }: FeatureReader, entities: readonly SampledEntity[], nowMs: number) {
  try {
    const vectors = await read(entities, [], nowMs);
    return entities.map((entity, i) => ({ entity, vector: vectors[i]! }));
  } catch (thrown) {
    if (!isTransformFailure(thrown)) throw thrown;
  }
  const found = [];
  for (const entity of entities) {
    try {
      const [vector] = await read([entity], [], nowMs);
      found.push({ entity, vector: vector! });
    } catch (thrown) {
      if (!isTransformFailure(thrown)) throw thrown;
    }
  }
  return found;
}

const isTransformFailure = (thrown: unknown): boolean => hasCode(thrown, "TRANSFORM_FAILED");

/**
 * Runs the rows together and alone, as many as there is time for, and compares; gives how many, and the median time of one
 * row's run, ms: its own, without what it waited for this process.
 */
async function compareRuns(
  model: LoadedModel,
  fed: readonly FedEntity[],
  clock: () => number,
  signal: AbortSignal | undefined,
): Promise<{ readonly compared: number; readonly runMs: number }> {
  const together = await predict(
    model,
    fed.map(({ row }) => row),
    `all ${fed.length} sampled entities together`,
  );
  const runsMs: number[] = [];
  const untilMs = clock() + SINGLE_RUNS_MS;
  for (const [i, { entity, row }] of fed.entries()) {
    signal?.throwIfAborted();
    const startMs = clock();
    if (i > 0 && startMs >= untilMs) break;
    const alone = await predict(model, [row], `entity ${writeJson(entity)}`);
    runsMs.push(alone.runMs ?? clock() - startMs);
    const isWhole = model.signature.columns.every((column) => isAllFinite(row[column]));
    for (const [o, { name }] of model.signature.outputs.entries()) {
      const [one, other] = [alone.at(o, 0), together.at(o, i)];
      if (isWhole && !isAllFinite(one)) {
        throw failed(model, `answers ${name} ${shown(one)} for entity ${writeJson(entity)}`);
      }
      if (agree(one, other)) continue;
      throw failed(
        model,
        `answers ${name} ${shown(one)} for entity ${writeJson(entity)} alone, but ${shown(other)} in a batch of ${fed.length}: its batch axis is wrong`,
      );
    }
  }
  runsMs.sort((a, b) => a - b);
  return { compared: runsMs.length, runMs: runsMs[Math.floor(runsMs.length / 2)]! };
}

async function predict(model: LoadedModel, rows: readonly (readonly FeatureValue[])[], what: string) {
  try {
    const { result, offset } = await model.predict(rows);
    const at = (output: number, row: number): OutputValue => result.outputs[output]![offset + row]!;
    return { at, runMs: result.runMs };
  } catch (thrown) {
    if (!(thrown instanceof HeadgateError)) throw thrown;
    throw new HeadgateError("DRY_RUN_FAILED", `Version ${model.version} failed for ${what}: ${thrown.message}`, thrown);
  }
}

function checkBudget(model: LoadedModel, runMs: number): void {
  const budgetMs = model.manifest.latencyBudgetMs;
  if (budgetMs === undefined || runMs <= budgetMs) return;
  throw failed(
    model,
    `takes ${runMs.toFixed(2)} ms for one entity, more than its latency_budget of ${budgetMs} ms; make the model smaller or the budget larger`,
  );
}

/** Null is what missing features are fed as, NaN. */
function isAllFinite(value: FeatureValue | OutputValue | undefined): boolean {
  if (value === null || value === undefined) return false;
  if (Array.isArray(value)) return value.every(isAllFinite);
  return typeof value !== "number" || Number.isFinite(value);
}

function agree(one: OutputValue, other: OutputValue): boolean {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((value, i) => agree(value, other[i]!));
  }
  if (typeof one !== "number" || typeof other !== "number") return one === other;
  return Object.is(one, other) || one === other || Math.abs(one - other) <= TOLERANCE * Math.max(1, Math.abs(one));
}

const shown = (value: OutputValue): string => writeJson(value as JsonValue).slice(0, 100);

function failed({ version }: LoadedModel, sentence: string): HeadgateError {
  return new HeadgateError("DRY_RUN_FAILED", `Version ${version} ${sentence}.`);
}
