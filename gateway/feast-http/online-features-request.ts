/**
 * The body of POST /get-online-features: which features, and the entities as columns, join key → values. Members that
 * are not Feast's are skipped as Feast skips them; whatever is there has to be of its type.
 */

import { excerpt, HeadgateError } from "../../errors.ts";
import { isObject } from "../../features/json-value.ts";
import { shown } from "../../features/shown.ts";

/** A request whose shape is right. */
export interface OnlineFeaturesRequest {
  /** References, `view:feature`; empty where a service is named. */
  readonly features: readonly string[];
  /** A feature service's name, which goes before references. */
  readonly service: string | undefined;
  /** Columns by the name they were sent under, all of one length. */
  readonly entities: Readonly<Record<string, readonly unknown[]>>;
  /** Their length; undefined where there is no column. */
  readonly rowCount: number | undefined;
  /** Names in the answer are `view__feature`. */
  readonly fullNames: boolean;
  /** The answer lists the views. */
  readonly viewMetadata: boolean;
}

/** Checks the shape. Throws REQUEST_INVALID naming the member, or TOO_MANY_ENTITIES. */
export function checkOnlineFeaturesRequest(body: unknown, maxEntities: number): OnlineFeaturesRequest {
  const members = membersOf(body);
  const { entities, features = NONE, feature_service: service } = members;
  if (service !== undefined && service !== null && typeof service !== "string") {
    throw invalid(`"feature_service" must be the name of a feature service, not ${shown(service)}.`);
  }
  if (!isListOfTexts(features)) {
    throw invalid(`"features" must be a list of references such as "view:feature", not ${shown(features)}.`);
  }
  return {
    features,
    // An empty name is none, as in Python.
    service: service || undefined,
    entities: entities as OnlineFeaturesRequest["entities"],
    rowCount: rowCountOf(entities, maxEntities),
    fullNames: flagOf(members, "full_feature_names"),
    viewMetadata: flagOf(members, "include_feature_view_version_metadata"),
  };
}

const NONE: readonly string[] = Object.freeze([]);

/** A body's members. Throws REQUEST_INVALID for a body that is no object. */
export function membersOf(body: unknown): Readonly<Record<string, unknown>> {
  if (isObject(body)) return body;
  throw invalid(`The request body must be an object, not ${shown(body)}.`);
}

/** Columns' one length; undefined for none. Throws REQUEST_INVALID, also for columns without a row. */
function rowCountOf(entities: unknown, maxEntities: number): number | undefined {
  if (!isObject(entities)) {
    const given = entities === undefined ? "is missing" : `is ${shown(entities)}`;
    throw invalid(`"entities" ${given}; send columns, such as {"driver_id": [1001, 1002]}.`);
  }
  let rowCount: number | undefined;
  for (const name in entities) {
    const column = entities[name];
    if (!Array.isArray(column)) {
      throw invalid(`entities.${excerpt(name)} is ${shown(column)}; send a list with a value for each row.`);
    }
    rowCount ??= column.length;
    if (column.length === rowCount) continue;
    throw invalid(`entities.${excerpt(name)} has ${column.length} values where another column has ${rowCount}.`);
  }
  if (rowCount === 0) throw invalid(`"entities" has columns without a row; send at least one value in each.`);
  if (rowCount === undefined || rowCount <= maxEntities) return rowCount;
  throw new HeadgateError(
    "TOO_MANY_ENTITIES",
    `The request has ${rowCount} rows; the most is ${maxEntities} (maxEntities). Send them in several requests.`,
  );
}

/** A member that is true or false, false where it is absent. Throws REQUEST_INVALID. */
export function flagOf(members: Readonly<Record<string, unknown>>, name: string): boolean {
  const value = members[name];
  if (value === undefined) return false;
  if (typeof value === "boolean") return value;
  throw invalid(`"${name}" must be true or false, not ${shown(value)}.`);
}

/** True for a list that holds nothing but texts. */
export function isListOfTexts(value: unknown): value is readonly string[] {
  if (!Array.isArray(value)) return false;
  for (const one of value) if (typeof one !== "string") return false;
  return true;
}

/** The refusal of a request's shape. */
export function invalid(sentence: string): HeadgateError {
  return new HeadgateError("REQUEST_INVALID", sentence);
}
