/**
 * Entities that are really stored, for a model's dry run: a sample of the rows of the views that it reads, taken by
 * scanning some pages of each, the same for the same seed. Where the views have different join keys, an entity is put
 * together of keys of each; whether such a pair ever met does not matter to a model that has to answer for any.
 */

import { parseEntityKey, sortedJoinKeys } from "../features/entity-key.ts";
import { type JsonValue, toJson } from "../features/json-value.ts";
import type { ReadPlan } from "../features/read-plan.ts";
import { isTombstone } from "../features/row-order.ts";
import type { OnlineStore } from "../features/store/online-store.ts";

/** Join key → value, as a request would say it. */
export type SampledEntity = Readonly<Record<string, JsonValue>>;

/** Pages of a view that are looked through: on a Redis a page holds whatever entities it meets, of other views too. */
const PAGES_MAX = 20;
/** Rows of a page. */
const PAGE_ROWS = 500;

/** Up to `count` entities that a request of this plan could name. Rejects with STORE_UNREACHABLE. */
export async function sampleEntities(
  store: Pick<OnlineStore, "scan">,
  plan: ReadPlan,
  count: number,
  seed: number,
): Promise<readonly SampledEntity[]> {
  const random = randomOf(seed);
  // The most specific keys first: their entities hold the others' join keys, and hold them as they really met.
  const keys = [...plan.keys].sort((a, b) => b.joinKeys.length - a.joinKeys.length);
  let entities: SampledEntity[] = [];
  const named = new Set<string>();
  for (const { joinKeys, fields } of keys) {
    if (joinKeys.every((name) => named.has(name))) continue;
    const found: SampledEntity[] = [];
    for (const key of await sampleKeys(store, fields, count, random)) {
      const entity = entityOf(key, plan, joinKeys);
      if (entity !== undefined) found.push(entity);
    }
    if (found.length === 0) return [];
    const length = Math.max(entities.length, found.length);
    const partners = entities;
    // What was there before is the more specific and has the last word.
    entities = Array.from({ length }, (_, i) => ({
      ...found[i % found.length],
      ...partners[i % Math.max(1, partners.length)],
    }));
    for (const name of joinKeys) named.add(name);
  }
  return entities;
}

/** Keys of any of the views, each as likely as another among the rows that were looked through (Vitter's algorithm R). */
async function sampleKeys(
  store: Pick<OnlineStore, "scan">,
  views: readonly string[],
  count: number,
  random: () => number,
): Promise<readonly string[]> {
  const kept: string[] = [];
  const seen = new Set<string>();
  for (const view of views) {
    for await (const key of someKeys(store, view)) {
      if (seen.has(key)) continue;
      seen.add(key);
      const place = seen.size <= count ? seen.size - 1 : Math.floor(random() * seen.size);
      if (place < count) kept[place] = key;
    }
  }
  return kept;
}

/** Keys of rows in the first pages of a view; deleted rows are none. */
async function* someKeys(store: Pick<OnlineStore, "scan">, view: string): AsyncGenerator<string, void, undefined> {
  let cursor: string | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const found = await store.scan(view, PAGE_ROWS, cursor);
    for (const { key, bytes } of found.rows) if (!isTombstone(bytes)) yield key;
    cursor = found.cursor;
    if (cursor === undefined) return;
  }
}

function entityOf(key: string, plan: ReadPlan, joinKeys: readonly string[]): SampledEntity | undefined {
  const schema = Object.fromEntries(joinKeys.map((name) => [name, plan.joinKeys[name]!]));
  const values = parseEntityKey(key, schema);
  if (values === undefined) return undefined;
  return Object.fromEntries(sortedJoinKeys(schema).map((name) => [name, toJson(schema[name]!, values[name]!)]));
}

/** mulberry32: a seed, so that a deploy that is repeated is asked the same. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
