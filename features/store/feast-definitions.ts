/**
 * What definitions must be to lie in Feast's layout, found when they are loaded: join keys that Feast has a key for, and
 * features whose four-byte fields differ from those of every view that shares their hash. Feast itself looks for neither.
 */

import { HeadgateError } from "../../errors.ts";
import { sortedJoinKeys } from "../entity-key.ts";
import type { FeatureView } from "../feature-view.ts";
import type { EncodedView } from "../writer.ts";
import { featureField } from "./feast-field.ts";
import { isFeastKeyKind } from "./feast-key.ts";
import { COMMAND_FIELDS_MAX } from "./feast-script.ts";

/** A view as far as its layout depends on it. */
export type LayoutView = Pick<EncodedView, "name" | "joinKeys" | "schema">;

/** The most features of a view: all are written by one command of a script, and the row's time and header with them. */
const FEATURES_MAX = COMMAND_FIELDS_MAX - 50;
/** Views that a warning names. */
const SHOWN_VIEWS = 5;

/** Throws DEFINITION_INVALID naming the join key, both features, or the view. */
export function checkFeastDefinitions(views: Iterable<LayoutView>): void {
  const hashes = new Map<string, Map<string, string>>();
  for (const view of views) {
    checkView(view);
    const id = sortedJoinKeys(view.joinKeys).join("&");
    const taken = hashes.get(id) ?? new Map<string, string>();
    hashes.set(id, taken);
    for (const feature of Object.keys(view.schema)) checkField(taken, view.name, feature);
  }
}

/**
 * A sentence on the views whose rows and deletes may go, with their key, before their ttl and grace are over; undefined
 * where there are none. `keyTtlSeconds` is Feast's key_ttl_seconds, 0 for keys that stay.
 */
export function earlyKeyExpiry(
  views: Iterable<Pick<FeatureView, "name" | "ttlMs">>,
  keyTtlSeconds: number,
  graceMs: number,
): string | undefined {
  if (keyTtlSeconds === 0) return undefined;
  const isEarly = (ttlMs = Number.POSITIVE_INFINITY) => keyTtlSeconds * 1_000 < ttlMs + graceMs;
  const names = [...views].filter(({ ttlMs }) => isEarly(ttlMs)).map(({ name }) => `"${name}"`);
  if (names.length === 0) return undefined;
  const rest = names.length - SHOWN_VIEWS;
  const shown = names.slice(0, SHOWN_VIEWS).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
  return `Keys go ${keyTtlSeconds} s after their last write (feastKeyTtlSeconds), before ttl and expiryGrace are over for ${shown}: a late event can bring a deleted row back then.`;
}

function checkView({ name, joinKeys, schema }: LayoutView): void {
  for (const [joinKey, { kind }] of Object.entries(joinKeys)) {
    if (isFeastKeyKind(kind)) continue;
    throw new HeadgateError(
      "DEFINITION_INVALID",
      `Feature view "${name}" has the join key "${joinKey}" of ${kind}, which Feast has no key for; with onlineStoreLayout "feast" use int32, int64, string, bytes or timestamp.`,
    );
  }
  const count = Object.keys(schema).length;
  if (count <= FEATURES_MAX) return;
  throw new HeadgateError(
    "DEFINITION_INVALID",
    `Feature view "${name}" has ${count} features; with onlineStoreLayout "feast" a view has at most ${FEATURES_MAX}. Split it.`,
  );
}

function checkField(taken: Map<string, string>, view: string, feature: string): void {
  const field = featureField(view, feature);
  const other = taken.get(field);
  taken.set(field, `${view}:${feature}`);
  if (other === undefined) return;
  throw new HeadgateError(
    "DEFINITION_INVALID",
    `"${other}" and "${view}:${feature}" would be one field in Feast's layout (${Buffer.from(field, "latin1").toString("hex")}): its four-byte names collide, and each would overwrite the other. Rename one of them, or set onlineStoreLayout to "packed".`,
  );
}
