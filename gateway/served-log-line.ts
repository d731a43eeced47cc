/**
 * A served feature vector as a line of the served log: JSON with exact values (json-value.ts), so that it can be compared
 * bit by bit with what the offline store says. docs/served-parity.md is this file in prose.
 *
 * Everything that the reader read is told, the inputs of on-demand views too: what a service does not ask for itself can
 * be skewed as well. A view's max age is told because it is the view's ttl or the model's, as they were then.
 */

import { STATUS_NAMES } from "../features/feature-status.ts";
import type { FeatureVector } from "../features/feature-vector.ts";
import { type FieldType, REFUSED } from "../features/field.ts";
import { compileFromJson, type JsonValue, toJson, writeJson } from "../features/json-value.ts";
import type { ReadPlan } from "../features/read-plan.ts";
import type { EntityKeys } from "../features/reader.ts";
import { formatTimestampUs } from "../features/timestamp.ts";

/** Whose vectors they are. */
export interface ServedBy {
  readonly model: { readonly name: string; readonly version: number };
  readonly reader: { readonly plan: ReadPlan };
}

/** Writes the line of an entity, with its line break. */
export type ServedLine = (requestId: string, nowMs: number, entity: EntityKeys, vector: FeatureVector) => string;

/** Compiles the lines of a version's vectors. */
export function compileServedLine({ model, reader: { plan } }: ServedBy): ServedLine {
  const from = `,"model":${JSON.stringify(model.name)},"version":${model.version},"feature_service":${JSON.stringify(plan.service)}`;
  const joinKeys = Object.entries(plan.joinKeys).map(compileJoinKey);
  const views = plan.keys.flatMap((key) => key.views).map(compileView);
  const features = slotsOf(plan).map(compileFeature);
  let lastMs: number | undefined;
  let servedAt = "";
  return (requestId, nowMs, entity, vector) => {
    if (nowMs !== lastMs) [lastMs, servedAt] = [nowMs, formatTimestampUs(Math.floor(nowMs * 1_000))];
    const members = [
      `"entity":{${joinKeys.map((text) => text(entity)).join(",")}}`,
      `"views":{${views.map((text) => text(vector)).join(",")}}`,
      `"features":{${features.map((text) => text(vector)).join(",")}}`,
    ];
    return `{"request_id":${JSON.stringify(requestId)},"served_at":"${servedAt}"${from},${members.join(",")}}\n`;
  };
}

/** As the key has it, however the request wrote it. */
function compileJoinKey([name, type]: [string, FieldType]): (entity: EntityKeys) => string {
  const take = compileFromJson(type);
  const head = `${JSON.stringify(name)}:`;
  return (entity) => {
    const value = take(entity[name]);
    return head + writeJson(value === REFUSED ? null : toJson(type, value));
  };
}

function compileView(view: ReadPlan["keys"][number]["views"][number]): (vector: FeatureVector) => string {
  const head = `${JSON.stringify(view.name)}:{"status":"`;
  const maxAge = `,"max_age_ms":${Number.isFinite(view.maxAgeUs) ? view.maxAgeUs / 1_000 : null}}`;
  return (vector) => {
    const { status, eventTimestampUs } = vector.views[view.index]!;
    const at = eventTimestampUs === undefined ? "null" : `"${formatTimestampUs(eventTimestampUs)}"`;
    return `${head}${STATUS_NAMES[status]}","event_timestamp":${at}${maxAge}`;
  };
}

interface Slot {
  readonly feature: string;
  readonly type: FieldType;
  readonly slot: number;
}

/** Every slot of a vector, those of the service's features first. */
function slotsOf({ keys, requestFields, transforms }: ReadPlan): readonly Slot[] {
  const stored = keys
    .flatMap((key) => key.views)
    .flatMap(({ name, wanted, slots }) =>
      wanted.map((field, i) => ({ feature: `${name}:${field.name}`, type: field.type, slot: slots[i]! })),
    );
  const requested = requestFields.map(({ source, name, type, slot }) => ({ feature: `${source}:${name}`, type, slot }));
  const computed = transforms.flatMap(({ name: view, outputs }) =>
    outputs.flatMap(({ name, type, slot }) => (slot === undefined ? [] : [{ feature: `${view}:${name}`, type, slot }])),
  );
  return [...stored, ...requested, ...computed].sort((a, b) => a.slot - b.slot);
}

function compileFeature({ feature, type, slot }: Slot): (vector: FeatureVector) => string {
  const head = `${JSON.stringify(feature)}:{"value":`;
  return ({ values, statuses }) => {
    const value: JsonValue = toJson(type, values[slot]!);
    return `${head}${writeJson(value)},"status":"${STATUS_NAMES[statuses[slot]!]}"}`;
  };
}
