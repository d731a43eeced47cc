/**
 * Lines of the served log, taken apart by view: what was served of each stored view, in the values' exact form, under the
 * entity key that the view's files lead to as well. docs/served-parity.md has the format.
 *
 * A line is written by another process, of yesterday's definitions perhaps: what is no longer declared, or has no files,
 * is skipped and counted, and a line that is none is told of with its reason.
 */

import { reasonOf } from "../../errors.ts";
import { compileEntityKey, type EntityKeyOf, sortedJoinKeys } from "../../features/entity-key.ts";
import { type FeatureStatus, STATUS, STATUS_NAMES } from "../../features/feature-status.ts";
import type { FeatureView } from "../../features/feature-view.ts";
import { type Accept, type FeatureValue, REFUSED } from "../../features/field.ts";
import { parseJson } from "../../features/json-text.ts";
import { compileFromJson, isObject, type JsonValue } from "../../features/json-value.ts";
import { type Registry, viewJoinKeys } from "../../features/registry.ts";
import type { FileSource } from "../../features/source.ts";
import { isEventTimestampUs, parseTimestampUs } from "../../features/timestamp.ts";
import type { SkippedFeature } from "./served-result.ts";

/** Who asked, when, and who answered. */
export interface ServedRequest {
  readonly requestId: string;
  readonly servedAtUs: number;
  readonly model: string;
  readonly version: number;
  readonly entity: Readonly<Record<string, JsonValue>>;
}

/** What was served of a view. */
export interface ServedRow {
  readonly request: ServedRequest;
  /** The entity key. */
  readonly key: string;
  readonly status: FeatureStatus;
  /** Undefined where there was no row. */
  readonly eventTimestampUs: number | undefined;
  /** How old a row could be at most, µs; Infinity: any age. */
  readonly maxAgeUs: number;
  /** In the order of the view's schema; undefined: not asked for. */
  readonly values: readonly (FeatureValue | undefined)[];
}

/** A view that there are files of. */
export type ComparedView = FeatureView & { readonly source: FileSource };

/** A vector. */
export interface ServedVector {
  readonly servedAtUs: number;
  readonly rows: readonly { readonly view: ComparedView; readonly row: ServedRow }[];
  /** Features that were served and can't be compared. */
  readonly skipped: readonly SkippedName[];
}

/** A feature, and why it can't be compared. */
export interface SkippedName {
  readonly feature: string;
  readonly reason: SkippedFeature["reason"];
}

/** Takes a line apart. Throws a SyntaxError that says what is wrong with it. */
export type TakeLine = (text: string) => ServedVector;

/** Compiles the taking of lines by today's definitions. */
export function compileTakeLine(registry: Registry): TakeLine {
  const views = new Map([...registry.views.values()].filter(hasFiles).map((view) => [view.name, compileView(view)]));
  const reasons = new Map<string, SkippedName>();
  const skippedName = (feature: string): SkippedName => {
    let known = reasons.get(feature);
    if (known === undefined) {
      known = Object.freeze({ feature, reason: reasonToSkip(registry, feature.slice(0, feature.indexOf(":"))) });
      reasons.set(feature, known);
    }
    return known;
  };
  return (text) => {
    const line = objectOf(parseJson(text), "the line");
    const request = requestOf(line);
    const features = objectOf(line.features, "features");
    const rows: ServedVector["rows"][number][] = [];
    const taken = new Set<string>();
    for (const [name, told] of Object.entries(objectOf(line.views, "views"))) {
      const view = views.get(name);
      if (view !== undefined) rows.push({ view: view.view, row: rowOf(view, request, told, features, taken) });
    }
    const skipped = Object.keys(features).filter((feature) => !taken.has(feature));
    return { servedAtUs: request.servedAtUs, rows, skipped: skipped.map(skippedName) };
  };
}

function hasFiles(view: FeatureView): view is ComparedView {
  return view.source !== undefined;
}

function reasonToSkip({ views, onDemandViews, requestSources }: Registry, view: string): SkippedName["reason"] {
  if (onDemandViews.has(view)) return "on_demand";
  if (requestSources.has(view)) return "request";
  const stored = views.get(view);
  return stored === undefined || hasFiles(stored) ? "undeclared" : "no_file_source";
}

interface CompiledView {
  readonly view: ComparedView;
  readonly joinKeys: readonly string[];
  readonly keyOf: EntityKeyOf;
  readonly fields: readonly { readonly feature: string; readonly take: Accept }[];
}

function compileView(view: ComparedView): CompiledView {
  const joinKeys = viewJoinKeys(view);
  return {
    view,
    joinKeys: sortedJoinKeys(joinKeys),
    keyOf: compileEntityKey(joinKeys, compileFromJson),
    fields: Object.entries(view.schema).map(([name, type]) => ({
      feature: `${view.name}:${name}`,
      take: compileFromJson(type),
    })),
  };
}

function requestOf(line: JsonObject): ServedRequest {
  const { request_id: requestId, model, version, entity } = line;
  const servedAtUs = typeof line.served_at === "string" ? parseTimestampUs(line.served_at) : undefined;
  if (typeof requestId !== "string") throw wrong("request_id is no text");
  if (!isEventTimestampUs(servedAtUs)) throw wrong("served_at is no time");
  if (typeof model !== "string" || typeof version !== "number") throw wrong("model or version is missing");
  return { requestId, servedAtUs, model, version, entity: objectOf(entity, "entity") };
}

function rowOf(
  { joinKeys, keyOf, fields, view }: CompiledView,
  request: ServedRequest,
  told: unknown,
  features: JsonObject,
  taken: Set<string>,
): ServedRow {
  const { status: name, event_timestamp: at, max_age_ms: maxAgeMs } = objectOf(told, `views.${view.name}`);
  const status = STATUS_NAMES.indexOf(name as (typeof STATUS_NAMES)[number]) as FeatureStatus | -1;
  const eventTimestampUs = typeof at === "string" ? parseTimestampUs(at) : undefined;
  if (status === -1 || (eventTimestampUs === undefined) !== (status === STATUS.NOT_FOUND))
    throw wrong(`views.${view.name} has no status, or none that fits its event_timestamp`);
  if (maxAgeMs !== null && typeof maxAgeMs !== "number") throw wrong(`views.${view.name} has no max_age_ms`);
  const values = fields.map(({ feature, take }) => {
    if (!Object.hasOwn(features, feature)) return undefined;
    taken.add(feature);
    const value = take(objectOf(features[feature], feature).value);
    if (value === REFUSED) throw wrong(`${feature} is not of its type`);
    return value;
  });
  return {
    request,
    key: keyIn(keyOf, joinKeys, request.entity),
    status,
    eventTimestampUs,
    maxAgeUs: maxAgeMs === null ? Number.POSITIVE_INFINITY : maxAgeMs * 1_000,
    values,
  };
}

function keyIn(keyOf: EntityKeyOf, joinKeys: readonly string[], entity: JsonObject): string {
  try {
    return keyOf(joinKeys.map((name) => entity[name]));
  } catch (cause) {
    throw wrong(reasonOf(cause));
  }
}

type JsonObject = Readonly<Record<string, JsonValue>>;

function objectOf(value: unknown, what: string): JsonObject {
  if (isObject(value)) return value as JsonObject;
  throw wrong(`${what} is no object`);
}

function wrong(what: string): SyntaxError {
  return new SyntaxError(what);
}
