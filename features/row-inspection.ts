/**
 * "Why this value?": everything that is known of one entity's row of a view, in every tier, beside what serving makes
 * of it. The feature-debug endpoint and `headgate features get` show this; reading here fills no cache.
 */

import { reasonOf } from "../errors.ts";
import { compileEntityKey, sortedJoinKeys } from "./entity-key.ts";
import { featureService } from "./feature-service.ts";
import { STATUS_NAMES } from "./feature-status.ts";
import type { FeatureView } from "./feature-view.ts";
import { type FeatureValue, typeNames } from "./field.ts";
import { readInterned } from "./intern-table.ts";
import { type JsonValue, toJson, writeJson } from "./json-value.ts";
import { compileReadPlan } from "./read-plan.ts";
import { createFeatureReader, type EntityKeys } from "./reader.ts";
import { viewJoinKeys } from "./registry.ts";
import { readRowHeader } from "./row-codec.ts";
import { isOfFeast, isTombstone, readRowOrder } from "./row-order.ts";
import type { EntityRows, OnlineStore } from "./store/online-store.ts";
import type { StoredSchema, StoredSchemas } from "./stored-schema.ts";
import { formatTimestampUs } from "./timestamp.ts";

/** What serving would answer now. */
export interface ServedRow {
  readonly status: string;
  readonly event_timestamp: string | null;
  readonly age_seconds: number | null;
  readonly values: { readonly [field: string]: { readonly value: JsonValue; readonly status: string } };
}

/** One tier's row; only `tier` and `found` where there is none. What a row of Feast's does not say of itself is null. */
export interface TierRow {
  readonly [property: string]: JsonValue;
  readonly tier: string;
  readonly found: boolean;
}

/** All that is known. */
export interface RowInspection {
  readonly view: string;
  readonly entity: { readonly [joinKey: string]: JsonValue };
  readonly key: string;
  readonly ttl_seconds: number | null;
  /** null when the tier that decides did not answer. */
  readonly served: ServedRow | null;
  readonly tiers: readonly TierRow[];
  /** True when every tier that holds the row holds the same bytes; null when one did not answer. */
  readonly tiers_agree: boolean | null;
}

/** Inspects one entity's row. Throws ENTITY_KEY_INVALID; rejects with STORE_UNREACHABLE when no tier answers. */
export async function inspectRow(
  store: OnlineStore,
  schemas: StoredSchemas,
  view: FeatureView,
  entity: EntityKeys,
  nowMs: number,
): Promise<RowInspection> {
  const joinKeys = viewJoinKeys(view);
  const names = sortedJoinKeys(joinKeys);
  const key = compileEntityKey(joinKeys)(names.map((name) => entity[name]));
  const tiers: TierRow[] = [];
  const away: unknown[] = [];
  /** Of the farthest tier, which nearer ones are copies of. */
  let decisive: EntityRows | undefined;
  for (const tier of store.tiers) {
    decisive = undefined;
    try {
      [decisive] = await tier.read([{ key, fields: [view.name] }]);
      tiers.push(await inspectTier(store, schemas, view, tier.name, decisive!.rows[0]?.bytes, nowMs));
    } catch (thrown) {
      // A tier that is away is part of the answer to "why this value?".
      away.push(thrown);
      tiers.push({ tier: tier.name, found: false, problem: reasonOf(thrown) });
    }
  }
  if (away.length === tiers.length) throw away.at(-1);
  const held = new Set(tiers.filter((tier) => tier.found).map((tier) => tier.raw));
  return {
    view: view.name,
    entity: Object.fromEntries(names.map((name) => [name, toJson(joinKeys[name]!, entity[name] as FeatureValue)])),
    key,
    ttl_seconds: view.ttlMs === undefined ? null : view.ttlMs / 1_000,
    served: decisive === undefined ? null : await servedRow(decisive, schemas, view, entity, nowMs),
    tiers,
    tiers_agree: away.length > 0 ? null : held.size <= 1,
  };
}

/** The origin that is told of a row of Feast's. */
const FEAST_ORIGIN = writeJson({ writer: "feast" });

/** Seconds since an event, to the millisecond. */
export function ageSeconds(eventTimestampUs: number, nowMs: number): number {
  return (nowMs - Math.floor(eventTimestampUs / 1_000)) / 1_000;
}

/** To the millisecond, as the age is. */
function ttlLeftSeconds(eventTimestampUs: number, ttlMs: number, nowMs: number): number {
  return (Math.floor(eventTimestampUs / 1_000) + ttlMs - nowMs) / 1_000;
}

/** What serving makes of a row. */
async function servedRow(
  found: EntityRows,
  schemas: StoredSchemas,
  view: FeatureView,
  entity: EntityKeys,
  nowMs: number,
): Promise<ServedRow> {
  const plan = compileReadPlan(featureService("debug", [view]));
  const [vector] = await createFeatureReader({ read: () => [found] }, schemas, plan).read([entity], [], nowMs);
  const { status, eventTimestampUs } = vector!.views[0]!;
  const values = plan.columns.map(({ field, type }, i) => {
    return [field, { value: toJson(type, vector!.values[i]!), status: STATUS_NAMES[vector!.statuses[i]!]! }];
  });
  return {
    status: STATUS_NAMES[status]!,
    event_timestamp: eventTimestampUs === undefined ? null : formatTimestampUs(eventTimestampUs),
    age_seconds: eventTimestampUs === undefined ? null : ageSeconds(eventTimestampUs, nowMs),
    values: Object.fromEntries(values),
  };
}

async function inspectTier(
  store: OnlineStore,
  schemas: StoredSchemas,
  view: FeatureView,
  tier: string,
  row: Uint8Array | undefined,
  nowMs: number,
): Promise<TierRow> {
  if (row === undefined) return { tier, found: false };
  const order = readRowOrder(row);
  const isFeasts = isOfFeast(order);
  const dated = {
    tier,
    found: true,
    deleted: isTombstone(row),
    event_timestamp: formatTimestampUs(order.eventTimestampUs),
    created_timestamp: isFeasts ? null : formatTimestampUs(order.createdTimestampUs),
    age_seconds: ageSeconds(order.eventTimestampUs, nowMs),
    ttl_left_seconds: view.ttlMs === undefined ? null : ttlLeftSeconds(order.eventTimestampUs, view.ttlMs, nowMs),
    generation: order.generation,
    source_rank: order.sourceRank,
    position: order.position,
    bytes: row.length,
    raw: Buffer.from(row).toString("base64"),
  };
  if (dated.deleted) return dated;
  const { schemaId, writtenAtMs, originId } = readRowHeader(row);
  const writtenAt = isFeasts ? null : new Date(writtenAtMs).toISOString();
  const header = { ...dated, written_at: writtenAt, schema_id: schemaId };
  let origin: string | undefined;
  try {
    await schemas.fetch([schemaId]);
    origin = isFeasts ? FEAST_ORIGIN : await readInterned(store.control, "origin", originId);
  } catch (thrown) {
    // A row in memory is there to be seen while the store, which knows its origin and schema, is away.
    return { ...header, problem: reasonOf(thrown) };
  }
  const stored = schemas.get(schemaId);
  return {
    ...header,
    origin: origin === undefined ? null : (JSON.parse(origin) as JsonValue),
    ...(stored === undefined ? { problem: `The store lacks schema ${schemaId}.` } : inspectValues(stored, row)),
  };
}

function inspectValues(stored: StoredSchema, row: Uint8Array): { readonly [property: string]: JsonValue } {
  const values = stored.decode(row);
  return {
    schema_fingerprint: stored.fingerprint,
    schema: typeNames(Object.fromEntries(stored.fields.map(({ name, type }) => [name, type]))),
    values: Object.fromEntries(stored.fields.map(({ name, type }, i) => [name, toJson(type, values[i] ?? null)])),
  };
}
